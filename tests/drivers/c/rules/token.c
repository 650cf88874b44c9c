/*
 * Tokens asked and opened, and threads that act for a client.
 *
 * Sources: SeQueryInformationToken, ZwQueryInformationToken, ZwOpenProcessTokenEx,
 * ZwOpenThreadTokenEx, SeTokenType, SeCreateClientSecurity, SeImpersonateClientEx, PsRevertToSelf.
 */
#include <ntifs.h>
#include "rules.h"

typedef NTSTATUS NTAPI OPEN_PROCESS(HANDLE process, ACCESS_MASK access, ULONG flags, PHANDLE handle);
typedef NTSTATUS NTAPI OPEN_THREAD(HANDLE thread, ACCESS_MASK access, BOOLEAN as_self, ULONG flags,
                                   PHANDLE handle);
typedef NTSTATUS NTAPI QUERY(HANDLE handle, ULONG kind, PVOID to, ULONG length, PULONG needed);
typedef NTSTATUS NTAPI CREATE_CLIENT(PETHREAD thread, PVOID quality, BOOLEAN remote, PVOID context);
typedef NTSTATUS NTAPI IMPERSONATE(PVOID context, PETHREAD thread);
typedef VOID NTAPI REVERT(VOID);
typedef NTSTATUS NTAPI QUERY_TOKEN(PVOID token, ULONG kind, PVOID *to);
typedef ULONG NTAPI TYPE(PVOID token);

static VOID asked(VOID)
{
    QUERY_TOKEN *query = routine(L"SeQueryInformationToken");
    TYPE *type = routine(L"SeTokenType");
    PVOID token = PsReferencePrimaryToken(PsInitialSystemProcess);
    TOKEN_USER *user;
    TOKEN_GROUPS *groups;
    PVOID value = NULL;
    ULONG i;
    BOOLEAN administrators = FALSE;
    RULE("a token tells whose it is, in pool",
         query(token, TokenUser, (PVOID *)&user) == STATUS_SUCCESS &&
             RtlEqualSid(user->User.Sid, SeExports->SeLocalSystemSid));
    ExFreePool(user);
    RULE("a token tells its groups", query(token, TokenGroups, (PVOID *)&groups) == STATUS_SUCCESS);
    for (i = 0; i < groups->GroupCount; i++)
        administrators |= RtlEqualSid(groups->Groups[i].Sid, SeExports->SeAliasAdminsSid);
    RULE("the system is among the administrators", administrators);
    ExFreePool(groups);
    RULE("a session is told in the variable itself",
         query(token, TokenSessionId, &value) == STATUS_SUCCESS && !(ULONG)(ULONG_PTR)value);
    RULE("so is the integrity level", query(token, 25, &value) == STATUS_SUCCESS &&
                                          (ULONG)(ULONG_PTR)value == 0x4000);
    RULE("a primary token impersonates nobody",
         type(token) == TokenPrimary &&
             query(token, TokenImpersonationLevel, &value) == STATUS_INVALID_INFO_CLASS);
    PsDereferencePrimaryToken(token);
}

static VOID opened(VOID)
{
    OPEN_PROCESS *open = routine(L"ZwOpenProcessTokenEx");
    QUERY *query = routine(L"ZwQueryInformationToken");
    UCHAR buffer[128];
    ULONG needed = 0;
    HANDLE handle;
    RULE("a process's token is opened",
         open((HANDLE)-1, 8 /* TOKEN_QUERY */, OBJ_KERNEL_HANDLE, &handle) == STATUS_SUCCESS);
    RULE("what it tells needs room",
         query(handle, TokenUser, buffer, 8, &needed) == STATUS_BUFFER_TOO_SMALL &&
             needed == sizeof(TOKEN_USER) + RtlLengthSid(SeExports->SeLocalSystemSid));
    RULE("and points into that",
         query(handle, TokenUser, buffer, sizeof(buffer), &needed) == STATUS_SUCCESS &&
             (PUCHAR)((TOKEN_USER *)buffer)->User.Sid == buffer + sizeof(TOKEN_USER));
    RULE("nothing else is a token",
         query((HANDLE)-2, TokenUser, buffer, sizeof(buffer), &needed) != STATUS_SUCCESS);
    ZwClose(handle);
}

static VOID impersonated(VOID)
{
    CREATE_CLIENT *create = routine(L"SeCreateClientSecurity");
    IMPERSONATE *impersonate = routine(L"SeImpersonateClientEx");
    REVERT *revert = routine(L"PsRevertToSelf");
    OPEN_THREAD *open = routine(L"ZwOpenThreadTokenEx");
    SECURITY_QUALITY_OF_SERVICE quality = {.Length = sizeof(quality),
                                           .ImpersonationLevel = SecurityIdentification};
    SECURITY_CLIENT_CONTEXT client;
    SECURITY_SUBJECT_CONTEXT subject;
    HANDLE handle;
    RULE("a thread acts for its process",
         open((HANDLE)-2, 8, TRUE, OBJ_KERNEL_HANDLE, &handle) == STATUS_NO_TOKEN);
    RULE("whom a thread acts for is kept",
         create(PsGetCurrentThread(), &quality, FALSE, &client) == STATUS_SUCCESS &&
             client.ClientToken);
    RULE("who is only to be identified is not acted for",
         impersonate(&client, NULL) == STATUS_BAD_IMPERSONATION_LEVEL);
    PsDereferencePrimaryToken(client.ClientToken);
    quality.ImpersonationLevel = SecurityImpersonation;
    create(PsGetCurrentThread(), &quality, FALSE, &client);
    RULE("a thread acts for a client", impersonate(&client, NULL) == STATUS_SUCCESS);
    SeCaptureSubjectContext(&subject);
    RULE("which its context tells",
         subject.ClientToken == client.ClientToken &&
             subject.ImpersonationLevel == SecurityImpersonation && subject.PrimaryToken);
    SeReleaseSubjectContext(&subject);
    RULE("and its token, opened",
         open((HANDLE)-2, 8, TRUE, OBJ_KERNEL_HANDLE, &handle) == STATUS_SUCCESS);
    ZwClose(handle);
    revert();
    SeCaptureSubjectContext(&subject);
    RULE("until it reverts", !subject.ClientToken);
    SeReleaseSubjectContext(&subject);
    PsDereferencePrimaryToken(client.ClientToken);
}

VOID check_tokens(VOID)
{
    asked();
    opened();
    impersonated();
}
