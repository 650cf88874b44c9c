//! The workflow's steps: PowerShell on Windows, the shell on Linux.

use crate::tree::syntax_faults;

/// The `run` blocks of a job of the workflow.
fn steps(job: &str) -> Vec<String> {
    let workflow = include_str!("../../../../.github/workflows/ci.yml");
    let (_, rest) = workflow.split_once(&format!("\n  {job}:\n")).unwrap();
    let mut steps = Vec::new();
    let mut lines = rest
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .peekable();
    while let Some(line) = lines.next() {
        let Some((_, command)) = line.split_once(" run: ") else {
            continue;
        };
        let mut text = String::new();
        if command == "|" {
            while let Some(next) = lines.next_if(|line| line.starts_with("          ")) {
                text.push_str(next);
                text.push('\n');
            }
        } else {
            text.push_str(command);
        }
        steps.push(text);
    }
    steps
}

#[test]
fn the_workflows_steps_on_windows_are_understood_by_the_grammar() {
    let steps = steps("windows");
    assert!(steps.len() >= 8, "{}", steps.len());
    for step in steps {
        assert_eq!(syntax_faults(&step), [""; 0], "{step}");
    }
}

#[cfg(unix)]
#[test]
fn the_workflows_steps_on_linux_are_understood_by_the_shell() {
    let steps = steps("linux");
    assert!(steps.len() >= 4, "{}", steps.len());
    for step in steps {
        let status = std::process::Command::new("sh")
            .args(["-n", "-c", &step])
            .status()
            .unwrap();
        assert!(status.success(), "{step}");
    }
}
