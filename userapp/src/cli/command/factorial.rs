//! `eductl factorial`: factorials, all of them outstanding at once.

use std::time::Duration;

use clap::Args;
use eductl::{Error, edu::factorial_mod_2_32};
use eduwdm_abi::edu::{FACTORIAL_EXACT_MAX, FactorialOutput};
use serde_json::json;

use crate::cli::{context::Context, number::number32};

/// Has the device compute factorials and checks them.
#[derive(Debug, Args)]
#[command(after_help = "Example: eductl factorial 5 12 20")]
pub struct Arguments {
    /// The numbers. The device has 32 bits, so from 13 on the results are modulo 2^32.
    #[arg(required = true, value_name = "N", value_parser = number32)]
    numbers: Vec<u32>,
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let edu = context.edu()?;
        let numbers = self.numbers.iter();
        let requests: Vec<_> = numbers
            .map(|n| edu.factorial(*n))
            .collect::<Result<_, _>>()?;
        let mut answers: Vec<FactorialOutput> = Vec::new();
        let bar = context.progress(self.numbers.len() as u64, "factorial");
        for (n, request) in self.numbers.iter().zip(requests) {
            let answer = request.wait()?;
            if answer.n != *n || answer.result != factorial_mod_2_32(*n) {
                return Err(Error::WrongAnswer(format!(
                    "{}! = {}, where {n}! = {} modulo 2^32 was asked for",
                    answer.n,
                    answer.result,
                    factorial_mod_2_32(*n)
                )));
            }
            answers.push(answer);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let json: Vec<_> = answers.iter().map(json).collect();
        context.print(&json!({ "factorials": json }), |out| {
            for answer in &answers {
                let wrapped = if answer.n > FACTORIAL_EXACT_MAX {
                    " (modulo 2^32)"
                } else {
                    ""
                };
                writeln!(
                    out,
                    "{}! = {}{wrapped}   interrupt on processor {}, DPC on {}, {:.1?}",
                    answer.n,
                    answer.result,
                    answer.interrupt_processor,
                    answer.dpc_processor,
                    Duration::from_nanos(answer.elapsed_100ns.saturating_mul(100)),
                )?;
            }
            Ok(())
        })
    }
}

fn json(answer: &FactorialOutput) -> serde_json::Value {
    json!({
        "n": answer.n,
        "result": answer.result,
        "wrapped": answer.n > FACTORIAL_EXACT_MAX,
        "interrupt_processor": answer.interrupt_processor,
        "dpc_processor": answer.dpc_processor,
        "elapsed_us": answer.elapsed_100ns / 10,
    })
}
