#define _GNU_SOURCE
#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_token.h"

// Tries what a module has no business with, and writes what it was answered into the file FAKE_TOKEN_REPORT: a line with name and
// errno each. The arguments are such that nothing happens where nothing is refused.
static FILE* report;

static void tell(const char* name, long result) {
  fprintf(report, "%s=%d\n", name, result < 0 ? errno : 0);
  if (result > 2) close((int)result);
}

#define TRY(name, ...) tell(#name, syscall(SYS_##name, __VA_ARGS__))
#define NOWHERE ((void*)1)

#ifdef __x86_64__
// In a child: where the kernel has no 32-bit calls this ends it.
static void try_32_bit_call(void) {
  const pid_t child = fork();
  if (child == 0) {
    int result = 20;  // getpid there
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    _exit(result < 0 ? -result : 0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) == child && WIFEXITED(status)) fprintf(report, "32-bit getpid=%d\n", WEXITSTATUS(status));
}
#endif

static void try_all(void) {
  TRY(ptrace, 2 /* PEEKDATA */, -1, 0, 0);
  TRY(process_vm_readv, -1, 0, 0, 0, 0, 0);
  TRY(process_vm_writev, -1, 0, 0, 0, 0, 0);
  TRY(process_madvise, -1, 0, 0, 0, 0);
  TRY(pidfd_getfd, -1, -1, 0);
  TRY(kcmp, -1, -1, 0, 0, 0);
  TRY(migrate_pages, -1, 0, 0, 0);
  TRY(move_pages, -1, 0, 0, 0, 0, 0);
  TRY(bpf, -1, 0, 0);
  TRY(perf_event_open, NOWHERE, 0, -1, -1, 0);
  TRY(userfaultfd, -1);
  TRY(init_module, NOWHERE, 1, NOWHERE);
  TRY(finit_module, -1, NOWHERE, 0);
  TRY(delete_module, NOWHERE, 0);
  TRY(kexec_load, 0, 1000, 0, 0);
  TRY(syslog, -1, 0, 0);
  TRY(quotactl, -1, 0, 0, 0);
  TRY(fanotify_init, -1, 0);
  TRY(io_uring_setup, 0, NOWHERE);
  TRY(io_uring_enter, -1, 0, 0, 0, 0, 0);
  TRY(io_uring_register, -1, 0, 0, 0);
  TRY(add_key, NOWHERE, NOWHERE, 0, 0, 0);
  TRY(keyctl, -1, 0, 0, 0, 0);
  TRY(request_key, NOWHERE, NOWHERE, 0, 0);
  TRY(open_by_handle_at, -1, NOWHERE, 0);
  TRY(name_to_handle_at, -1, NOWHERE, NOWHERE, NOWHERE, 0);
  TRY(mount, NOWHERE, NOWHERE, NOWHERE, 0, 0);
  TRY(umount2, NOWHERE, 0);
  TRY(move_mount, -1, NOWHERE, -1, NOWHERE, 0);
  TRY(open_tree, -1, NOWHERE, 0);
  TRY(fsopen, NOWHERE, 0);
  TRY(fsconfig, -1, 0, 0, 0, 0);
  TRY(fsmount, -1, 0, 0);
  TRY(fspick, -1, NOWHERE, 0);
  TRY(pivot_root, NOWHERE, NOWHERE);
  TRY(chroot, NOWHERE);
  TRY(setns, -1, 0);
  TRY(unshare, 0);
  TRY(clone, CLONE_NEWNS | CLONE_FS, 0, 0, 0, 0);
  TRY(clone, CLONE_NEWUSER | CLONE_NEWNS | CLONE_FS, 0, 0, 0, 0);
  TRY(clone3, 0, 0);
  TRY(reboot, 0, 0, 0, 0);
  TRY(swapon, NOWHERE, 0);
  TRY(swapoff, NOWHERE);
  TRY(acct, NOWHERE);
  TRY(sethostname, NOWHERE, -1);
  TRY(setdomainname, NOWHERE, -1);
  TRY(settimeofday, NOWHERE, 0);
  TRY(clock_settime, -1, 0);
  TRY(vhangup, 0);
#ifdef SYS_kexec_file_load
  TRY(kexec_file_load, -1, -1, 0, 0, 0);
#endif
#ifdef SYS_mount_setattr
  TRY(mount_setattr, -1, NOWHERE, 0, NOWHERE, 0);
#endif
#ifdef SYS_quotactl_fd
  TRY(quotactl_fd, -1, 0, 0, 0);
#endif
#ifdef SYS_lookup_dcookie
  TRY(lookup_dcookie, 0, NOWHERE, 0);
#endif
#ifdef SYS_nfsservctl
  TRY(nfsservctl, -1, 0, 0);
#endif
  tell("open_tree_attr", syscall(467, -1, NOWHERE, 0, NOWHERE, 0));
  TRY(personality, 0x20000 /* UNAME26 */);
  TRY(ioctl, 0, TIOCSTI, NOWHERE);
  TRY(ioctl, 0, 0x541C /* TIOCLINUX */, NOWHERE);
#ifdef __x86_64__
  TRY(iopl, 4);
  TRY(ioperm, -1, 1, 1);
  TRY(modify_ldt, -1, 0, 0);
  TRY(ustat, 0, NOWHERE);
  TRY(sysfs, -1, 0, 0);
  TRY(uselib, NOWHERE);
  TRY(_sysctl, NOWHERE);
  TRY(create_module, NOWHERE, 0);
  tell("x32 getpid", syscall(0x40000000 | SYS_getpid));
  try_32_bit_call();
#endif
  tell("socket AF_INET", socket(AF_INET, SOCK_STREAM, 0));
  tell("socket AF_INET6", socket(AF_INET6, SOCK_DGRAM, 0));
  tell("socket AF_PACKET", socket(AF_PACKET, SOCK_RAW, 0));
  tell("socket AF_ALG", socket(AF_ALG, SOCK_SEQPACKET, 0));
  tell("socket AF_VSOCK", socket(AF_VSOCK, SOCK_STREAM, 0));
  tell("socket AF_BLUETOOTH", socket(AF_BLUETOOTH, SOCK_RAW, 0));
  int pair[2];
  tell("socketpair AF_TIPC", socketpair(AF_TIPC, SOCK_STREAM, 0, pair));

  tell("may socket AF_UNIX", socket(AF_UNIX, SOCK_STREAM, 0));
  tell("may socket AF_NETLINK", socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT));
  tell("may socketpair AF_UNIX", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  tell("may ask personality", syscall(SYS_personality, 0xFFFFFFFF) < 0 ? -1 : 0);
  const pid_t child = fork();
  if (child == 0) _exit(0);
  tell("may fork", waitpid(child, NULL, 0) == child ? 0 : -1);
}

void try_denied_calls(const char* path) {
  report = fopen(path, "we");
  if (report == NULL) abort();
  try_all();
  fclose(report);
}

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  const char* const path = getenv("FAKE_TOKEN_REPORT");
  if (path != NULL) try_denied_calls(path);
  return fake_functions.C_GetTokenInfo(slot, info);
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_GetTokenInfo = get_token_info; }
