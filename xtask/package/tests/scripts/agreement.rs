//! That the scripts agree with each other, with the INF file and with the guide.

use crate::tree::{at, command_name, of_kind, parse, text};
use crate::{script, scripts};

/// The paragraph of a script that lists its exit codes.
fn described(script: &str) -> Option<&str> {
    let (_, described) = script.split_once("Exit codes:")?;
    Some(&described[..described.find("\n\n").unwrap()])
}

/// The exit codes that a script ends with, each with its place.
fn codes(script: &str) -> Vec<(String, String)> {
    let tree = parse(script);
    let mut codes = Vec::new();
    for command in of_kind(tree.root_node(), "command") {
        if matches!(
            command_name(command, script),
            "Stop-Script" | "Stop-Verification" | "Confirm-Platform"
        ) {
            let code = text(command, script).split(' ').nth(1).unwrap().to_owned();
            codes.push((code, at(command, script)));
        }
    }
    for exit in of_kind(tree.root_node(), "flow_control_statement") {
        if let Some(code) = text(exit, script).strip_prefix("exit ") {
            codes.push((code.to_owned(), at(exit, script)));
        }
    }
    // The functions that others call with a code have it in a parameter.
    codes.retain(|(code, _)| !code.starts_with('$'));
    codes
}

#[test]
fn every_exit_code_is_documented_in_its_script() {
    for (name, script) in scripts() {
        let Some(described) = described(&script) else {
            continue;
        };
        let codes = codes(&script);
        assert!(codes.len() > 2, "{name}");
        for (code, place) in codes {
            assert!(code.parse::<u32>().is_ok(), "{name} {place}: {code}");
            assert!(
                described
                    .split(|c: char| !c.is_ascii_digit())
                    .any(|word| word == code),
                "{name} {place}: exit code {code}"
            );
        }
    }
}

#[test]
fn they_know_the_devices_of_the_inf_file() {
    let document = eduwdm_package::inf::Document::parse(include_str!("../../../../inf/eduwdm.inf"));
    let facts = eduwdm_package::inf::facts::Facts::of(&document);
    let shared = script("eduwdm.psm1");
    for id in facts.device_ids {
        assert!(shared.contains(&id.to_uppercase()), "{id}");
    }
}

#[test]
fn driver_verifier_is_set_with_every_option_that_is_promised() {
    let flags: u32 = script("verify.ps1")
        .lines()
        .skip_while(|line| !line.starts_with("$Options"))
        .skip(1)
        .take_while(|line| *line != "}")
        .map(|line| line.rsplit("0x").next().unwrap())
        .map(|number| u32::from_str_radix(number, 16).unwrap())
        .sum();
    // The standard flags, IRP logging and low resources simulation.
    assert_eq!(flags, 0x209bb | 0x400 | 0x4);
}

#[test]
fn a_verification_that_was_stopped_is_noticed_before_it_could_begin_anew() {
    // Otherwise a driver that stops Windows would do so at every sign-in: the event that tells of
    // the stop may come after the sign-in.
    let verify = script("verify.ps1");
    let place = |line: &str| verify.find(line).unwrap_or_else(|| panic!("{line}"));
    let looked = place("\n    Confirm-NoBugcheck $state\n");
    let noted = place("\nSet-State $state.SetAt $state.Flags (Get-Date).Ticks\n");
    let begun = place("\nInvoke-Stress 'strict' ");
    assert!(looked < noted && noted < begun);
    assert!(verify.contains("-gt (Get-Time $State.RunningSince)"));
}

#[test]
fn the_guide_lists_the_exit_codes_of_the_scripts() {
    let guide = [
        (
            "install.ps1",
            include_str!("../../../../docs/src/install.md"),
        ),
        (
            "verify.ps1",
            include_str!("../../../../docs/src/driver-verifier.md"),
        ),
    ];
    for (name, page) in guide {
        let script = script(name);
        for entry in described(&script).unwrap().split(';') {
            let code = entry.split_whitespace().next().unwrap();
            assert!(page.contains(&format!("| {code} |")), "{code} of {name}");
        }
    }
}

#[test]
fn the_steps_that_the_guest_tells_of_have_limits_of_their_own() {
    // Any other step would have the limit for those that nobody knows.
    let host = [
        include_str!("../../../vm/src/install.rs"),
        include_str!("../../../vm/src/verify.rs"),
    ]
    .concat();
    let mut steps = 0;
    for (name, script) in scripts() {
        let tree = parse(&script);
        for command in of_kind(tree.root_node(), "command") {
            let words = text(command, &script);
            if let Some(step) = words.strip_prefix("Send-HostLine 'step' '") {
                steps += 1;
                let step = step.trim_end_matches('\'');
                assert!(host.contains(&format!("(\"{step}\", ")), "{name}: {step}");
            }
        }
    }
    assert_eq!(steps, 5);
}

#[test]
fn the_guest_and_the_answer_file_know_the_host_s_names() {
    let host = [
        include_str!("../../../vm/src/contents.rs"),
        include_str!("../../../vm/src/results.rs"),
        include_str!("../../../vm/src/protocol.rs"),
    ]
    .concat();
    for name in [
        "settings.json",
        "results",
        "exit-code.txt",
        "@eduwdm ",
        "Minutes",
    ] {
        assert!(host.contains(name), "{name}");
        let known = scripts().iter().any(|(_, script)| script.contains(name));
        assert!(known, "{name}");
    }
    let answers = include_str!("../../../vm/guest/autounattend.xml");
    assert_eq!(answers.matches("%d:\\guest\\first-logon.ps1").count(), 2);
    // The user whom first-logon.ps1 signs in is the one that the answer file makes.
    assert!(script("first-logon.ps1").contains("$Secret = 'eduwdm'"));
    assert_eq!(answers.matches("<Value>eduwdm</Value>").count(), 2);
}
