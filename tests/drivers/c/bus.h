/* What the driver of the bus, that of the devices on it, and their client agree on. */
#define CODE(function) (ULONG)CTL_CODE(0x9030, function, METHOD_BUFFERED, FILE_ANY_ACCESS)
/* Something is plugged into a slot. */
#define IOCTL_PLUG CODE(0x800)
/* It is pulled out again. */
#define IOCTL_UNPLUG CODE(0x801)
/* The journal since it was read last. */
#define IOCTL_JOURNAL CODE(0x802)
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
#define POWER_NOTE 0x8000 /* IRP_MJ_POWER: minor function, type and state, 8 and 4 and 4 bits */

typedef struct {
    ULONG count;
    ULONG entries[ENTRIES];
} JOURNAL;
