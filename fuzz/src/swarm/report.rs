//! What is printed about a run: what happens in it, and a test that has it again.

use super::{
    script::{Finding, Script},
    trace,
};
use std::fmt::Write;

/// What happens in a run, line by line.
pub fn trace(script: &Script) -> String {
    let mut lines = Vec::new();
    let result = script.traced(|line| lines.push(line));
    if let Err(finding) = result {
        lines.push(format!("{}: {}", finding.place, finding.message));
    }
    lines.join("\n")
}

/// A test, to be put into `core/tests`, which fails until the fault is gone.
pub fn test(seed: u64, script: &Script, finding: &Finding) -> String {
    let mut lines = Vec::new();
    drop(script.traced(|line| lines.push(line)));
    let mut text = format!("// {}\n", finding.message.replace('\n', "\n// "));
    for line in lines {
        let _ = writeln!(text, "/// {line}");
    }
    let _ = write!(
        text,
        "#[test]\nfn seed_{seed}() {{\n    ksmbd_fuzz::swarm::Script::check(\n        \"{script}\",\n    );\n}}"
    );
    text
}

impl Script {
    /// Has the run again, and says what happens in it.
    fn traced(&self, mut say: impl FnMut(String)) -> Result<super::script::Totals, Finding> {
        let told = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let teller = std::rc::Rc::clone(&told);
        let result = self.run_with(move |swarm| {
            let teller = std::rc::Rc::clone(&teller);
            swarm.listen(Box::new(move |seen| teller.borrow_mut().push(trace::line(seen))));
        });
        told.take().into_iter().for_each(&mut say);
        result
    }
}
