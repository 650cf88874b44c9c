/*
 * A driver that lives in its clients' processes.
 */
#pragma once
#include <ntifs.h>

/* Checks the rules of a process's memory; gives the line of the first that does not hold. */
int check_memory(VOID);

/* Commits a page of another process's, and checks how that is opened. */
NTSTATUS allocate_there(PEPROCESS process, PVOID *base);
/* The same as check_memory, of sections. */
int check_sections(VOID);
/* Maps a section, which is there from the first call on, into the process. */
NTSTATUS map_section(PVOID *base);
/* Its handle, to be closed. */
extern HANDLE kept_section;
/* Leaves a view in system space. */
NTSTATUS leave_view(VOID);
