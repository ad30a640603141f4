/* A seccomp filter (linux/seccomp.h) written as the few instructions that it is:
 *
 *     another architecture's call?  -> refused
 *     each call of the list: its number -> allowed, if its one restricted argument has an allowed value
 *     anything else                 -> EPERM, or death
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"

#if defined(__x86_64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define OUR_ARCHITECTURE AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__arm__) && defined(__ARMEL__)
#define OUR_ARCHITECTURE AUDIT_ARCH_ARM
#elif defined(__mips__) && defined(__MIPSEL__) && !defined(__mips64)
#define OUR_ARCHITECTURE AUDIT_ARCH_MIPSEL
#elif defined(__mips__) && !defined(__mips64)
#define OUR_ARCHITECTURE AUDIT_ARCH_MIPS
#elif defined(__riscv) && __riscv_xlen == 64
#define OUR_ARCHITECTURE AUDIT_ARCH_RISCV64
#endif

enum { PROGRAM_MAX = 512, X32_CALLS = 0x40000000 };

#ifdef OUR_ARCHITECTURE

struct program {
    struct sock_filter at[PROGRAM_MAX];
    unsigned short size;
};

static void add(struct program *program, uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false)
{
    if (program->size < PROGRAM_MAX)
        program->at[program->size++] = (struct sock_filter){.code = code, .jt = if_true, .jf = if_false, .k = k};
}

static void load(struct program *program, size_t offset)
{
    add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void answer(struct program *program, uint32_t verdict)
{
    add(program, BPF_RET | BPF_K, verdict, 0, 0);
}

/* The number is in the accumulator when this begins, and when it falls through. */
static void add_call(struct program *program, const struct sandbox_call *call, uint32_t refused)
{
    if (call->argument < 0) {
        add(program, BPF_JMP | BPF_JEQ | BPF_K, call->number, 0, 1);
        answer(program, SECCOMP_RET_ALLOW);
        return;
    }
    size_t low = offsetof(struct seccomp_data, args) + (size_t)call->argument * sizeof(uint64_t);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    low += sizeof(uint32_t);
#endif
    add(program, BPF_JMP | BPF_JEQ | BPF_K, call->number, 0, (uint8_t)(call->value_count * 2 + 2));
    load(program, low);
    for (uint8_t i = 0; i < call->value_count; i++) {
        add(program, BPF_JMP | BPF_JEQ | BPF_K, call->values[i], 0, 1);
        answer(program, SECCOMP_RET_ALLOW);
    }
    answer(program, refused);
}

bool sandbox_filter(const struct sandbox_call *calls, size_t count, bool deadly, const char **what)
{
    static struct program program;
    uint32_t refused = deadly ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM;
    *what = "filter system calls";
    program.size = 0;
    load(&program, offsetof(struct seccomp_data, arch));
    add(&program, BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCHITECTURE, 1, 0);
    answer(&program, refused);
    load(&program, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    add(&program, BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1);
    answer(&program, refused);
#endif
    for (size_t i = 0; i < count; i++)
        add_call(&program, &calls[i], refused);
    answer(&program, refused);
    if (program.size == PROGRAM_MAX) {
        errno = E2BIG;
        return false;
    }
    struct sock_fprog filter = {.len = program.size, .filter = program.at};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0;
}

#else

bool sandbox_filter(const struct sandbox_call *calls, size_t count, bool deadly, const char **what)
{
    (void)calls, (void)count, (void)deadly;
    *what = "filter system calls of this architecture";
    errno = ENOSYS;
    return false;
}

#endif
