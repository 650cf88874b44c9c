//! The devices' and the driver's end, and what they leave behind.

use nthost_protocol::{
    HostRequest,
    host::{DeviceState, PnpOperation, Verifier},
};

use super::{FaultKind, Stage, Trouble};

pub fn show(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    stage.title("The end")?;
    let service = stage.expected.service.clone();
    for device in stage.host.devices()? {
        if device.service != service || device.state != DeviceState::Started {
            continue;
        }
        let instance = &device.instance;
        stage.host.pnp(instance, PnpOperation::QueryRemove)?;
        stage.host.pnp(instance, PnpOperation::Remove)?;
        stage.line(format_args!("{instance}: query-remove, remove"))?;
    }
    stage.host.host_success(HostRequest::UnloadDriver {
        service: service.clone(),
    })?;
    stage.line(format_args!("{service}: unloaded"))?;
    let verifier = stage.host.verifier()?;
    stage.line(format_args!("the verifier made {} checks", verifier.checks))?;
    let checked = verifier.checks > 0;
    stage.check("whether the verifier was at work", &checked, &true);
    let mut clean = true;
    for (what, count) in left_behind(&verifier) {
        stage.report.checks += 1;
        if count > 0 {
            clean = false;
            stage.fault(FaultKind::Leak, format!("{count} {what}"));
        }
    }
    if clean {
        stage.line(
            "nothing is left: no pool, no IRP, no lock held, no interrupt, no page, no mapping, \
             no object",
        )?;
    } else {
        for detail in &verifier.details {
            stage.line(detail)?;
        }
    }
    Ok(())
}

const fn left_behind(verifier: &Verifier) -> [(&'static str, u64); 9] {
    [
        ("pool allocations not freed", verifier.pool_allocations),
        ("IRPs not completed", verifier.irps),
        ("spin locks still held", verifier.locks),
        ("interrupts still connected", verifier.interrupts),
        ("pages not freed", verifier.pages),
        ("pages still locked", verifier.locked_pages),
        ("map registers still in use", verifier.map_registers),
        ("mappings not undone", verifier.mappings),
        (
            "device objects, links or interfaces not deleted",
            verifier.objects,
        ),
    ]
}
