//! QEMU's monitor: what is done to the machine from outside of it.
//!
//! Source: "QEMU Machine Protocol Specification". Each message is a line of JSON.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use serde_json::{Value, json};

/// How long an answer may take: the monitor answers at once or not at all.
const LIMIT: Duration = Duration::from_secs(20);

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// The connection is gone, or no answer came.
    #[error("QEMU's monitor does not answer: {0}")]
    Io(#[from] io::Error),
    /// What came is not the protocol.
    #[error("QEMU's monitor says something else than QMP: {0}")]
    Protocol(String),
    /// QEMU refused.
    #[error("QEMU refuses {command}: {why}")]
    Refused {
        /// The command.
        command: String,
        /// QEMU's reason.
        why: String,
    },
}

/// A connection to the monitor.
#[derive(Debug)]
pub struct Monitor {
    reader: BufReader<UnixStream>,
}

impl Monitor {
    /// Takes the connection through the greeting.
    ///
    /// # Errors
    ///
    /// [`QmpError`].
    pub fn new(stream: UnixStream) -> Result<Self, QmpError> {
        stream.set_read_timeout(Some(LIMIT))?;
        let mut monitor = Self {
            reader: BufReader::new(stream),
        };
        let greeting = monitor.read()?;
        if greeting.get("QMP").is_none() {
            return Err(QmpError::Protocol(greeting.to_string()));
        }
        monitor.execute("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// Executes a command and gives what it returns.
    ///
    /// # Errors
    ///
    /// [`QmpError`].
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let line = json!({ "execute": command, "arguments": arguments });
        let mut stream = self.reader.get_ref();
        stream.write_all(format!("{line}\n").as_bytes())?;
        loop {
            let mut answer = self.read()?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                return Err(QmpError::Refused {
                    command: command.to_owned(),
                    why: error["desc"].as_str().unwrap_or_default().to_owned(),
                });
            }
            // Events come between commands and answers.
            if answer.get("event").is_none() {
                return Err(QmpError::Protocol(answer.to_string()));
            }
        }
    }

    fn read(&mut self) -> Result<Value, QmpError> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        serde_json::from_str(&line).map_err(|why| QmpError::Protocol(format!("{why}: {line}")))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// The monitor's side: a line out for each line in, after the greeting.
    fn monitor(answers: &'static [&'static str]) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            let mut reader = BufReader::new(theirs);
            writeln!(reader.get_mut(), "{{\"QMP\": {{}}}}").unwrap();
            for answer in answers {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                writeln!(reader.get_mut(), "{answer}").unwrap();
            }
        });
        ours
    }

    #[test]
    fn events_are_passed_over_and_refusals_are_errors() {
        let stream = monitor(&[
            r#"{"return": {}}"#,
            "{\"event\": \"RESUME\"}\n{\"return\": {\"running\": true}}",
            r#"{"error": {"class": "GenericError", "desc": "no such device"}}"#,
        ]);
        let mut monitor = Monitor::new(stream).unwrap();
        let status = monitor.execute("query-status", json!({})).unwrap();
        assert_eq!(status["running"], true);
        let fault = monitor
            .execute("device_del", json!({"id": "x"}))
            .unwrap_err();
        assert_eq!(fault.to_string(), "QEMU refuses device_del: no such device");
        // The other side has hung up.
        let fault = monitor.execute("query-status", json!({})).unwrap_err();
        assert!(matches!(fault, QmpError::Io(_)), "{fault}");
    }
}
