/* What greeter.cpp and its clients share. */
#pragma once

#define GREETER_LONGEST_NAME 32

#define GREETER_CODE(function) CTL_CODE(FILE_DEVICE_UNKNOWN, function, METHOD_BUFFERED, FILE_READ_ACCESS)
/* A name in, a greeting in UTF-16 out. */
#define IOCTL_GREETER_GREET GREETER_CODE(0x800)
/* Two numbers out. */
#define IOCTL_GREETER_READ_REGISTERS GREETER_CODE(0x801)
