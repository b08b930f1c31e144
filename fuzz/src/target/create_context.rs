//! Create contexts: the list of a request, and what each of them means in a request and in an answer.

use super::round;
use ksmbd_core::wire::{
    codec::Writer,
    create::RawContext,
    create_context::{RequestContext, ResponseContext},
};

/// A list, and each of its contexts.
pub(super) fn run(data: &[u8]) {
    let Ok(list) = RawContext::parse_list(data) else {
        return;
    };
    let mut packed = Vec::new();
    RawContext::encode_list(&list, &mut Writer::new(&mut packed));
    let again = RawContext::parse_list(&packed);
    assert_eq!(again.as_ref(), Ok(&list));
    for RawContext { name, data } in &list {
        round(
            data,
            |data| RequestContext::parse(name, data),
            |context| {
                assert_eq!(context.name(), name);
                let mut out = Vec::new();
                context.encode(&mut out).unwrap_or_else(|why| panic!("{why}"));
                out
            },
        );
        round(
            data,
            |data| ResponseContext::parse(name, data),
            |context| {
                assert_eq!(context.name(), name);
                let mut out = Vec::new();
                context.encode(&mut out);
                out
            },
        );
    }
}
