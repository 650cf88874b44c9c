/*
 * Handles to processes and threads, of whose opening and duplicating drivers are told, and from
 * which they take rights.
 *
 * Sources: ObRegisterCallbacks, ObUnRegisterCallbacks, OB_OPERATION_REGISTRATION,
 * OB_PRE_OPERATION_INFORMATION, OB_POST_OPERATION_INFORMATION, OB_PRE_CREATE_HANDLE_INFORMATION.
 */
#include <ntifs.h>
#include "rules.h"

/* See ob.c. */
extern POBJECT_TYPE *__imp_PsThreadType, *__imp_PsProcessType, *__imp_ExEventObjectType;
#define PsThreadType __imp_PsThreadType
#define PsProcessType __imp_PsProcessType
#define ExEventObjectType __imp_ExEventObjectType

#define TERMINATE 0x0001 /* of processes and threads; it can be taken away */
#define VM_READ 0x0010 /* of processes; it cannot */

typedef NTSTATUS NTAPI DUPLICATE(HANDLE source, HANDLE handle, HANDLE target, PHANDLE to,
                                 ACCESS_MASK access, ULONG attributes, ULONG options);

/* What was told, a digit for each: 1 and 2 before, by the higher and the lower registration, 3 and
 * 4 after. */
static ULONG order;
static OB_PRE_OPERATION_INFORMATION before;
static ACCESS_MASK original, granted;
static PVOID source, target, after_context;
static NTSTATUS after_status;
static BOOLEAN apcs_disabled, has_parameters;

static OB_PREOP_CALLBACK_STATUS NTAPI higher(PVOID context, POB_PRE_OPERATION_INFORMATION operation)
{
    order = order * 10 + (ULONG)(ULONG_PTR)context;
    before = *operation;
    original = operation->Parameters->CreateHandleInformation.OriginalDesiredAccess;
    source = target = NULL;
    if (operation->Operation == OB_OPERATION_HANDLE_DUPLICATE) {
        source = operation->Parameters->DuplicateHandleInformation.SourceProcess;
        target = operation->Parameters->DuplicateHandleInformation.TargetProcess;
    }
    operation->CallContext = &order;
    operation->Parameters->CreateHandleInformation.DesiredAccess &= ~(TERMINATE | VM_READ);
    operation->Parameters->CreateHandleInformation.DesiredAccess |= SYNCHRONIZE;
    apcs_disabled = KeAreApcsDisabled() && KeGetCurrentIrql() == PASSIVE_LEVEL;
    return OB_PREOP_SUCCESS;
}

static VOID NTAPI higher_after(PVOID context, POB_POST_OPERATION_INFORMATION operation)
{
    order = order * 10 + (ULONG)(ULONG_PTR)context + 2;
    after_context = operation->CallContext;
    after_status = operation->ReturnStatus;
    has_parameters = operation->Parameters != NULL;
    granted = has_parameters ? operation->Parameters->CreateHandleInformation.GrantedAccess : 0;
}

static OB_PREOP_CALLBACK_STATUS NTAPI lower(PVOID context, POB_PRE_OPERATION_INFORMATION operation)
{
    UNREFERENCED_PARAMETER(operation);
    order = order * 10 + (ULONG)(ULONG_PTR)context;
    return OB_PREOP_SUCCESS;
}

static VOID NTAPI lower_after(PVOID context, POB_POST_OPERATION_INFORMATION operation)
{
    UNREFERENCED_PARAMETER(operation);
    order = order * 10 + (ULONG)(ULONG_PTR)context + 2;
}

static NTSTATUS add(POBJECT_TYPE *type, OB_OPERATION operations, PCWSTR altitude, ULONG_PTR number,
                    POB_PRE_OPERATION_CALLBACK first, POB_POST_OPERATION_CALLBACK second,
                    PVOID *handle)
{
    OB_OPERATION_REGISTRATION operation = {type, operations, first, second};
    OB_CALLBACK_REGISTRATION registration = {0};
    registration.Version = ObGetFilterVersion();
    registration.OperationRegistrationCount = 1;
    RtlInitUnicodeString(&registration.Altitude, altitude);
    registration.RegistrationContext = (PVOID)number;
    registration.OperationRegistration = &operation;
    return ObRegisterCallbacks(&registration, handle);
}

static VOID refused(VOID)
{
    OB_CALLBACK_REGISTRATION none = {0};
    PVOID handle;
    RULE("the version of registrations is 1.0", ObGetFilterVersion() == 0x0100);
    RULE("a registration has a version and routines",
         ObRegisterCallbacks(&none, &handle) == STATUS_INVALID_PARAMETER);
    RULE("a registration has an operation",
         add(PsProcessType, 0, L"1", 0, lower, NULL, &handle) == STATUS_INVALID_PARAMETER);
    RULE("a registration has a routine",
         add(PsProcessType, OB_OPERATION_HANDLE_CREATE, L"1", 0, NULL, NULL, &handle) ==
             STATUS_INVALID_PARAMETER);
    RULE("events are not filtered",
         add(ExEventObjectType, OB_OPERATION_HANDLE_CREATE, L"1", 0, lower, NULL, &handle) ==
             STATUS_INVALID_PARAMETER);
    RULE("a routine is in an image",
         add(PsProcessType, OB_OPERATION_HANDLE_CREATE, L"1", 0,
             (POB_PRE_OPERATION_CALLBACK)(ULONG_PTR)&handle, NULL,
             &handle) == STATUS_ACCESS_DENIED);
}

static ACCESS_MASK access_of(HANDLE handle)
{
    OBJECT_HANDLE_INFORMATION information = {0};
    PVOID object;
    NTSTATUS status =
        ObReferenceObjectByHandle(handle, 0, NULL, KernelMode, &object, &information);
    if (NT_SUCCESS(status))
        ObDereferenceObject(object);
    return information.GrantedAccess;
}

static VOID told(VOID)
{
    DUPLICATE *duplicate = routine(L"ZwDuplicateObject");
    OBJECT_ATTRIBUTES attributes;
    CLIENT_ID id = {PsGetCurrentProcessId(), NULL};
    ACCESS_MASK wanted = TERMINATE | VM_READ | 0x0400;
    HANDLE handle, other;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    order = 0;
    RULE("a process is opened",
         ZwOpenProcess(&handle, wanted, &attributes, &id) == STATUS_SUCCESS);
    RULE("the higher altitude is told first before, and last after", order == 1243);
    RULE("what is opened is told",
         before.Operation == OB_OPERATION_HANDLE_CREATE && before.KernelHandle &&
             before.Object == PsGetCurrentProcess() && before.ObjectType == *PsProcessType &&
             original == wanted);
    RULE("APCs are held back meanwhile", apcs_disabled);
    RULE("rights can be taken away, but not all, and none be added",
         access_of(handle) == (VM_READ | 0x0400) && granted == (VM_READ | 0x0400));
    RULE("what a routine keeps comes back", after_context == &order && !after_status);
    order = 0;
    RULE("a handle is duplicated",
         duplicate((HANDLE)-1, handle, (HANDLE)-1, &other, 0, 0, DUPLICATE_SAME_ACCESS |
                   DUPLICATE_SAME_ATTRIBUTES) == STATUS_SUCCESS);
    RULE("of a duplicate the processes are told",
         order == 1243 && before.Operation == OB_OPERATION_HANDLE_DUPLICATE &&
             source == PsGetCurrentProcess() && target == source);
    ZwClose(other);
    ZwClose(handle);
    order = 0;
    id.UniqueProcess = (HANDLE)(ULONG_PTR)0xfffffff0;
    RULE("what is not there is told to nobody",
         ZwOpenProcess(&handle, wanted, &attributes, &id) == STATUS_INVALID_CID && !order);
    RULE("a pointer's handle is one as well",
         ObOpenObjectByPointer(KeGetCurrentThread(), OBJ_KERNEL_HANDLE, NULL, THREAD_ALL_ACCESS,
                               *PsThreadType, KernelMode, &handle) == STATUS_SUCCESS &&
             !order && access_of(handle) == THREAD_ALL_ACCESS);
    ZwClose(handle);
}

VOID check_handles(VOID)
{
    OB_OPERATION both = OB_OPERATION_HANDLE_CREATE | OB_OPERATION_HANDLE_DUPLICATE;
    PVOID first = NULL, second = NULL, third, thread = NULL;
    HANDLE handle;
    refused();
    RULE("a registration is made",
         add(PsProcessType, both, L"320000.5", 1, higher, higher_after, &first) == STATUS_SUCCESS);
    RULE("an altitude is one registration's",
         add(PsThreadType, both, L"320000.50", 3, lower, NULL, &third) ==
             STATUS_FLT_INSTANCE_ALTITUDE_COLLISION);
    RULE("another altitude is another's",
         add(PsProcessType, both, L"99999", 2, lower, lower_after, &second) == STATUS_SUCCESS);
    told();
    ObUnRegisterCallbacks(first);
    ObUnRegisterCallbacks(second);
    RULE("threads are filtered, too",
         add(PsThreadType, OB_OPERATION_HANDLE_CREATE, L"7", 1, higher, higher_after, &thread) ==
             STATUS_SUCCESS);
    order = 0;
    RULE("a thread's handle is told",
         ObOpenObjectByPointer(KeGetCurrentThread(), OBJ_KERNEL_HANDLE, NULL, THREAD_ALL_ACCESS,
                               *PsThreadType, KernelMode, &handle) == STATUS_SUCCESS &&
             order == 13 &&
             /* The same bit is the right to set a thread's context, which can be taken away. */
             access_of(handle) == (THREAD_ALL_ACCESS & ~(TERMINATE | VM_READ)));
    ZwClose(handle);
    ObUnRegisterCallbacks(thread);
    order = 0;
    RULE("nobody is told any more",
         ObOpenObjectByPointer(KeGetCurrentThread(), OBJ_KERNEL_HANDLE, NULL, THREAD_ALL_ACCESS,
                               *PsThreadType, KernelMode, &handle) == STATUS_SUCCESS && !order);
    ZwClose(handle);
}
