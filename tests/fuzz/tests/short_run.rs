//! The targets of code that runs in components, on their corpus and on mutations
//! of it.

#![allow(clippy::expect_used, reason = "tests fail by panicking")]

macro_rules! targets {
    ($($name:ident = $target:literal;)*) => {
        $(#[test] fn $name() { run($target); })*

        #[test]
        fn every_target_is_run() {
            let known: Vec<&str> = arc_fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(known, [$($target),*]);
        }
    };
}

targets! {
    split = "split";
    elements = "elements";
    result = "result";
    scenarios = "scenarios";
    suite = "suite";
    numbers = "numbers";
    guide = "guide";
    harbor = "harbor";
    inspect = "inspect";
    lm_eval = "lm-eval";
    openai_evals = "openai-evals";
    otel = "otel";
    promptfoo = "promptfoo";
}

fn run(name: &str) {
    let target = arc_fuzz::TARGETS.iter().find(|(known, _)| *known == name);
    arc_fuzz::short_run(*target.expect("the target is in the list"));
}
