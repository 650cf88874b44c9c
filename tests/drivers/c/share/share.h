/*
 * A driver that lives in its clients' processes.
 */
#pragma once
#include <ntifs.h>

/* Checks the rules of a process's memory; gives the line of the first that does not hold. */
int check_memory(VOID);
