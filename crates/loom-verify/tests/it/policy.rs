//! What an auditor requires.

use loom_verify::{Auditor, Policy, Report};
use serde_json::{Value, json};

use crate::world::{World, verified};

fn judged(report: &Report, policy: &Value) -> Vec<String> {
    let mut judgement = Policy::read(&policy.to_string()).unwrap().judge(report);
    assert_eq!(judgement.met, judgement.unmet.is_empty());
    judgement.unmet.drain(..).map(|unmet| format!("{}: {}", unmet.requirement, unmet.reason)).collect()
}

#[tokio::test]
async fn a_policy_is_met_or_says_what_is_missing() {
    let world = World::new().await;
    world.run(r#"{"do":[{"op":"now"},{"op":"activity","name":"echo","input":1},{"reply":1}]}"#).await;
    let report = verified(&world.bundle(None).await, &world.auditor());
    let code = report.claims.iter().find_map(|claim| claim.code.clone()).unwrap();
    let key = world.key.public().to_string();
    for met in [
        json!({"require": [{"subject": "default/probe/* turn *", "class": ["re-executed"]}]}),
        json!({"require": [{"subject": "* turn * step * activity", "class": ["re-executed", "proved"]}]}),
        json!({"require": [{"subject": "log *", "class": ["attested"], "by": [key]}]}),
        json!({"require": [{"subject": "* turn * step * call", "class": ["re-executed"], "at_least": 0}]}),
        json!({"modules": {"probe": [code.module]}, "deployments": [code.deployment]}),
    ] {
        let mut met = met;
        met["v"] = 1.into();
        assert_eq!(judged(&report, &met), Vec::<String>::new(), "{met}");
    }
    for (unmet, reason) in [
        (
            json!({"require": [{"subject": "* turn * step * now", "class": ["attested"]}]}),
            "it is claimed, not attested",
        ),
        (
            json!({"require": [{"subject": "* turn *", "class": ["re-executed"], "at_least": 2}]}),
            "1 claims are about this",
        ),
        (json!({"require": [{"subject": "log * fork", "class": ["attested"]}]}), "fork not excluded"),
        (
            json!({"require": [{"subject": "log *", "class": ["attested"], "by": ["another+key"]}]}),
            "none of the required keys",
        ),
        (json!({"modules": {"probe": []}}), "it ran module"),
        (json!({"modules": {"loan": [code.module]}}), "no turn of this type"),
        (json!({"deployments": ["another"]}), "it ran under deployment"),
    ] {
        let mut unmet = unmet;
        unmet["v"] = 1.into();
        let found = judged(&report, &unmet);
        assert!(found.len() == 1 && found[0].contains(reason), "{unmet}: {found:?}");
    }
    let policy = Policy::read(r#"{"v":1,"name":"Q4","modules":{"probe":[]}}"#).unwrap();
    let auditor = Auditor { policy: Some(policy), ..world.auditor() };
    let report = verified(&world.bundle(None).await, &auditor);
    assert!(report.ok && report.policy.is_some_and(|judgement| !judgement.met && judgement.name == "Q4"));
    world.runtime.shutdown().await;
}

#[test]
fn what_is_no_policy_is_refused() {
    for text in [
        "",
        "{}",
        r#"{"v":2,"require":[{"subject":"*","class":[]}]}"#,
        r#"{"v":1}"#,
        r#"{"v":1,"require":[]}"#,
        r#"{"v":1,"require":[{"subject":"*","class":["certain"]}]}"#,
        r#"{"v":1,"requires":[{"subject":"*","class":["proved"]}]}"#,
        r#"{"v":1,"require":[{"class":["proved"]}]}"#,
    ] {
        assert!(Policy::read(text).is_err(), "{text}");
    }
}
