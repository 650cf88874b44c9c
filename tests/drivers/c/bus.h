/* What the driver of the bus, that of the devices on it, and their client agree on. */
#define CODE(function) (ULONG)CTL_CODE(0x9030, function, METHOD_BUFFERED, FILE_ANY_ACCESS)
/* Something is plugged into a slot. */
#define IOCTL_PLUG CODE(0x800)
/* It is pulled out again. */
#define IOCTL_UNPLUG CODE(0x801)
/* The journal since it was read last. */
#define IOCTL_JOURNAL CODE(0x802)
/* What is related to what is in a slot: the DEVICE_RELATION_TYPE, the slot, the other's slot, 8
 * bits each from above. */
#define IOCTL_RELATE CODE(0x804)
/* Registers for changes of what is in a slot, and takes that back. */
#define IOCTL_WATCH CODE(0x805)
/* Has what is in a slot ejected. */
#define IOCTL_EJECT CODE(0x806)
/* Whether the child's driver is against its removal; what PNP_DEVICE_STATE it reports. */
#define IOCTL_VETO CODE(0x803)

#define SLOTS 4
#define ENTRIES 255

/* An entry: who in the upper half, what in the lower. Who: */
#define BUS_FDO 0
#define CHILD_PDO 0x10 /* and the slot */
#define CHILD_FDO 0x20 /* and the slot */
/* What: an IRP_MN_… of IRP_MJ_PNP, or with these: */
#define ADD_DEVICE 0x100
#define TARGET_ASKED 0x200   /* for the TargetDeviceRelation, and of a file: 1 more */
#define CONTEXT_NOTE 0x4000  /* the target of the system power request before, from its context */
#define POWER_NOTE 0x8000 /* IRP_MJ_POWER: minor function, type and state, 8 and 4 and 4 bits */

typedef struct {
    ULONG count;
    ULONG entries[ENTRIES];
} JOURNAL;
