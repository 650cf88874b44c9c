//! Registers, in memory that stands for a BAR. The PnP manager assigns it, as it does a device's.

use wdk_sys::{
    CM_RESOURCE_LIST, IRP_MJ_PNP, IRP_MN_START_DEVICE, PHYSICAL_ADDRESS, PVOID, SIZE_T,
    STATUS_SUCCESS, ULONG,
};
use wdm::{Status, mmio::Mapping};

use crate::{
    TAG,
    device::Stack,
    kernel::{irp::TestIrp, pool},
};

wdm::registers! {
    /// A BAR.
    pub bar Bar0[0x10] => pub struct Bar0Registers {
        /// One.
        one: pub block One {
            /// A byte.
            Byte(0x3): u8, read, write;
            /// The last word.
            Last(0xc): u32, read, write;
        }
        /// Another.
        other: pub block Other {
            /// A wide one.
            Wide(0x0): u64, read;
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn MmMapIoSpaceEx(_start: PHYSICAL_ADDRESS, bytes: SIZE_T, _protect: ULONG) -> PVOID {
    pool::allocate(bytes as usize)
}

#[unsafe(no_mangle)]
extern "C" fn MmUnmapIoSpace(base: PVOID, _bytes: SIZE_T) {
    pool::free(base);
}

/// Starts a device with this range of memory, and gives what came of mapping it.
fn start(start: u64, length: u32) -> i32 {
    let stack = Stack::new();
    stack.act(|_, irp, irql| {
        let memory = irp.resources().unwrap().memory().next().unwrap();
        let mapping = Mapping::<Bar0>::new(memory, irql);
        let status = match mapping.and_then(|mapping| Bar0Registers::split(mapping, TAG, irql)) {
            Ok(Bar0Registers { mut one, other }) => {
                one.write(Byte, 0x12);
                one.write(Last, 0x3456_789a);
                assert_eq!((one.read(Byte), one.read(Last)), (0x12, 0x3456_789a));
                drop(one);
                assert_eq!(other.read(Wide), 0x1200_0000);
                Status::SUCCESS
            }
            Err(status) => status,
        };
        irp.complete(status, irql)
    });
    let mut list = CM_RESOURCE_LIST::default();
    list.Count = 1;
    let partial = &mut list.List[0].PartialResourceList;
    partial.Count = 1;
    partial.PartialDescriptors[0].Type = wdk_sys::CmResourceTypeMemory.try_into().unwrap();
    partial.PartialDescriptors[0].u.Memory.Start.QuadPart = start.cast_signed();
    partial.PartialDescriptors[0].u.Memory.Length = length;
    let list = &raw mut list;
    let irp = TestIrp::new(IRP_MJ_PNP, IRP_MN_START_DEVICE, |location| {
        location.Parameters.StartDevice.AllocatedResourcesTranslated = list;
    });
    let status = irp.send(stack.device);
    assert_eq!(irp.ended(), Some((status, 0)));
    stack.remove();
    status
}

#[test]
fn a_bar_is_mapped_and_split() {
    assert_eq!(start(0x1000, 0x10), STATUS_SUCCESS);
}

#[test]
fn a_bar_that_is_too_small_or_askew_is_refused() {
    let refused = Status::DEVICE_CONFIGURATION_ERROR.to_raw();
    assert_eq!(start(0x1000, 0x8), refused);
    assert_eq!(start(0x1004, 0x10), refused);
}
