//! What one client has asked the daemon and has no answer to. Its thread does not wait for answers, so
//! without a bound here it would read, and keep, as many requests as the client has credits for.

use super::Receipt;
use ksmbd_core::id::OpId;
use std::collections::BTreeMap;

/// With so many questions unanswered, nothing more is read ...
const QUESTIONS: usize = 8;

/// ... nor where the frames that they came in take so much. One large frame more may have come by then.
const BYTES: usize = 256 * 1024;

/// See above.
#[derive(Default)]
pub(crate) struct Asked {
    questions: BTreeMap<OpId, (Receipt, usize)>,
    /// What the frames take of all of them.
    bytes: usize,
}

impl Asked {
    /// A question is on its way; it came in a frame of so many bytes.
    pub(crate) fn add(&mut self, op: OpId, receipt: Receipt, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.questions.insert(op, (receipt, bytes));
    }

    /// One is answered.
    pub(crate) fn answered(&mut self, op: OpId) {
        if let Some((_, bytes)) = self.questions.remove(&op) {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }

    /// Nothing is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    /// More may be asked. Where it is not so, an answer is on its way.
    pub(crate) fn has_room(&self) -> bool {
        self.questions.len() < QUESTIONS && self.bytes < BYTES
    }

    /// The client is gone: what has not been looked at fails at once. It would pile up while others
    /// come, ask and go. False where nothing was asked.
    pub(crate) fn take_back(&mut self) -> bool {
        self.bytes = 0;
        let questions = std::mem::take(&mut self.questions);
        questions.values().for_each(|(receipt, _)| receipt.take_back());
        !questions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(frames: &[usize]) -> Asked {
        let mut asked = Asked::default();
        for (op, bytes) in (0..).zip(frames) {
            assert!(asked.has_room(), "{op}");
            asked.add(OpId(op), Receipt::lost(), *bytes);
        }
        asked
    }

    #[test]
    fn there_is_room_for_some_questions_and_again_with_each_answer() {
        let mut many = asked(&[100; QUESTIONS]);
        assert!(!many.has_room());
        many.answered(OpId(77));
        assert!(!many.has_room(), "somebody else's");
        many.answered(OpId(3));
        assert!(many.has_room());
    }

    #[test]
    fn there_is_room_for_one_large_frame() {
        let mut large = asked(&[100, 8 << 20]);
        assert!(!large.has_room());
        large.answered(OpId(0));
        assert!(!large.has_room());
        large.answered(OpId(1));
        assert!(large.has_room());
        large.add(OpId(2), Receipt::lost(), 8 << 20);
        assert!(large.take_back() && large.has_room());
        assert!(!large.take_back());
    }
}
