//! Where the device, its interrupt, its memory and its counters are.

use eduwdm_abi::{
    Header,
    statistics::{Processor, QueueKind, Statistics},
    topology::{NODE_UNKNOWN, Topology},
};
use eduwdm_logic::request;
use wdm::{
    Result, Status,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
    numa,
    pnp::InterruptResource,
};
use zerocopy::IntoBytes;

use super::Edu;
use crate::status;

/// What START found out.
#[derive(Clone, Copy)]
pub struct Placement {
    /// The node that the device is on, if the platform says.
    pub device_node: Option<u16>,
    /// The interrupt, as it was assigned.
    pub interrupt: InterruptResource,
    /// The node that the DMA buffers are from.
    pub buffer_node: Option<u16>,
}

impl Edu {
    /// [`eduwdm_abi::Ioctl::Topology`], validated.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_NOT_READY` while the device is stopped.
    pub fn topology(&self, irql: &mut Passive) -> Result<Topology> {
        let placement = *self.placement.acquire(irql);
        let placement = placement.ok_or(Status::DEVICE_NOT_READY)?;
        let node = |node: Option<u16>| node.map_or(NODE_UNKNOWN, Into::into);
        Ok(Topology {
            header: Header::of::<Topology>(),
            device_node: node(placement.device_node),
            interrupt_vector: placement.interrupt.vector,
            interrupt_irql: placement.interrupt.level.into(),
            interrupt_group: placement.interrupt.group.into(),
            interrupt_affinity: placement.interrupt.affinity,
            buffer_node: node(placement.buffer_node),
            processor_count: numa::active_processor_count(),
            group_count: numa::active_group_count().into(),
            highest_node: numa::highest_node_number().into(),
        })
    }

    /// [`eduwdm_abi::Ioctl::Statistics`].
    pub fn answer_statistics(&self, mut irp: Irp<Fresh>, irql: &Passive) -> Dispatched {
        let output_length = irp
            .device_control()
            .map_or(0, |control| control.output_length);
        let validated = request::no_input(irp.input(), output_length, size_of::<Statistics>());
        if let Err(refusal) = validated {
            return irp.complete(status::of(refusal), irql);
        }
        let written = self.write_statistics(&mut irp, irql);
        irp.complete(written.unwrap_or_else(|status| status), irql)
    }

    /// Writes as much as fits: the fixed part, and as many processors. Gives what the request ends
    /// with.
    fn write_statistics(&self, irp: &mut Irp<Fresh>, irql: &Passive) -> Result<Status> {
        let mut output = irp.direct_output(irql)?;
        let room = output.length().saturating_sub(size_of::<Statistics>()) / size_of::<Processor>();
        let count = self.statistics.processor_count();
        let returned = room.min(count);
        let to_wire = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let fixed = Statistics {
            header: Header::of::<Statistics>(),
            processor_count: to_wire(count),
            processors_returned: to_wire(returned),
            queues: QueueKind::ALL.map(|kind| self.statistics.sum(kind)),
        };
        output.write(0, fixed.as_bytes())?;
        let mut length = size_of::<Statistics>();
        for index in 0..returned {
            let processor = self
                .statistics
                .processor(index)
                .ok_or(Status::INTERNAL_ERROR)?;
            output.write(length, processor.as_bytes())?;
            length += size_of::<Processor>();
        }
        let status = if returned < count {
            Status::BUFFER_OVERFLOW
        } else {
            Status::SUCCESS
        };
        Ok(status)
    }
}
