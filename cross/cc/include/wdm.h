/*
 * mingw-w64's header as `cargo xtask cc` has drivers read it: with what it has inline and the WDK
 * imports imported, with what it has lost or never had, and with READ_REGISTER_BUFFER_* the right
 * way round. (mingw-w64's copy from the buffer to the register.)
 *
 * Sources: the DDI pages that are named; the values are compared in tests/drivers/cpp.
 */
#ifndef EDUWDM_CC_WDM_H
#define EDUWDM_CC_WDM_H

#define KeGetCurrentIrql EduwdmInlineKeGetCurrentIrql
#define KeLowerIrql EduwdmInlineKeLowerIrql
#define KfRaiseIrql EduwdmInlineKfRaiseIrql
#define KeRaiseIrqlToDpcLevel EduwdmInlineKeRaiseIrqlToDpcLevel
#define READ_REGISTER_BUFFER_UCHAR EduwdmWrongReadRegisterBufferUchar
#define READ_REGISTER_BUFFER_USHORT EduwdmWrongReadRegisterBufferUshort
#define READ_REGISTER_BUFFER_ULONG EduwdmWrongReadRegisterBufferUlong
#include_next <wdm.h>
#undef KeGetCurrentIrql
#undef KeLowerIrql
#undef KfRaiseIrql
#undef KeRaiseIrqlToDpcLevel
#undef READ_REGISTER_BUFFER_UCHAR
#undef READ_REGISTER_BUFFER_USHORT
#undef READ_REGISTER_BUFFER_ULONG

#ifdef __cplusplus
extern "C" {
#endif

/* nf-wdm-kegetcurrentirql, nf-wdm-kelowerirql, nf-wdm-keraiseirql */
NTHALAPI KIRQL NTAPI KeGetCurrentIrql(VOID);
NTHALAPI VOID NTAPI KeLowerIrql(KIRQL NewIrql);
NTHALAPI KIRQL NTAPI KfRaiseIrql(KIRQL NewIrql);

/* nf-wdm-keraiseirqltodpclevel */
FORCEINLINE KIRQL KeRaiseIrqlToDpcLevel(VOID)
{
    return KfRaiseIrql(DISPATCH_LEVEL);
}

/* nf-wdm-read_register_buffer_uchar and its siblings: no access before is moved behind it. */
#define EDUWDM_READ_REGISTER_BUFFER(name, type)                                                    \
    FORCEINLINE VOID name(volatile type *Register, type *Buffer, ULONG Count)                      \
    {                                                                                              \
        ULONG index;                                                                               \
        __asm__ volatile("mfence" : : : "memory");                                                 \
        for (index = 0; index < Count; index++)                                                    \
            Buffer[index] = Register[index];                                                       \
    }
EDUWDM_READ_REGISTER_BUFFER(READ_REGISTER_BUFFER_UCHAR, UCHAR)
EDUWDM_READ_REGISTER_BUFFER(READ_REGISTER_BUFFER_USHORT, USHORT)
EDUWDM_READ_REGISTER_BUFFER(READ_REGISTER_BUFFER_ULONG, ULONG)

/* "POOL_FLAGS" */
#ifndef POOL_FLAG_NON_PAGED
typedef ULONG64 POOL_FLAGS;
#define POOL_FLAG_USE_QUOTA 0x0000000000000001ULL
#define POOL_FLAG_UNINITIALIZED 0x0000000000000002ULL
#define POOL_FLAG_SESSION 0x0000000000000004ULL
#define POOL_FLAG_CACHE_ALIGNED 0x0000000000000008ULL
#define POOL_FLAG_RAISE_ON_FAILURE 0x0000000000000020ULL
#define POOL_FLAG_NON_PAGED 0x0000000000000040ULL
#define POOL_FLAG_NON_PAGED_EXECUTE 0x0000000000000080ULL
#define POOL_FLAG_PAGED 0x0000000000000100ULL
#define POOL_FLAG_SPECIAL_POOL 0x0000000100000000ULL

/* ns-wdm-pool_extended_parameter */
typedef enum POOL_EXTENDED_PARAMETER_TYPE {
    PoolExtendedParameterInvalidType = 0,
    PoolExtendedParameterPriority,
    PoolExtendedParameterSecurePool,
    PoolExtendedParameterNumaNode,
    PoolExtendedParameterMax
} POOL_EXTENDED_PARAMETER_TYPE;
typedef struct _POOL_EXTENDED_PARAMETER {
    struct {
        ULONG64 Type : 8;
        ULONG64 Optional : 1;
        ULONG64 Reserved : 55;
    };
    union {
        ULONG64 Reserved2;
        PVOID Reserved3;
        EX_POOL_PRIORITY Priority;
        PVOID SecurePoolParams;
        ULONG PreferredNode;
    };
} POOL_EXTENDED_PARAMETER, *PPOOL_EXTENDED_PARAMETER;
typedef const POOL_EXTENDED_PARAMETER *PCPOOL_EXTENDED_PARAMETER;

/* nf-wdm-exallocatepool2, nf-wdm-exallocatepool3, nf-wdm-exfreepool2 */
NTKERNELAPI PVOID NTAPI ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag);
NTKERNELAPI PVOID NTAPI ExAllocatePool3(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag,
                                        PCPOOL_EXTENDED_PARAMETER ExtendedParameters,
                                        ULONG ExtendedParametersCount);
NTKERNELAPI VOID NTAPI ExFreePool2(PVOID P, ULONG Tag,
                                   PCPOOL_EXTENDED_PARAMETER ExtendedParameters,
                                   ULONG ExtendedParametersCount);
#endif

/* nf-wdm-exallocatepoolzero, nf-wdm-exallocatepooluninitialized: inline, over the older routine */
FORCEINLINE PVOID ExAllocatePoolUninitialized(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    return ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);
}
FORCEINLINE PVOID ExAllocatePoolZero(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    PVOID allocated = ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);
    if (allocated)
        RtlZeroMemory(allocated, NumberOfBytes);
    return allocated;
}

/* The C run-time library's, which the kernel exports. */
int __cdecl swprintf(WCHAR *Buffer, const WCHAR *Format, ...);

#ifdef __cplusplus
}
#endif
#endif
