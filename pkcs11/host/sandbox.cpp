#include "host/sandbox.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace signet::pkcs11::host {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr std::uint32_t architecture = AUDIT_ARCH_RISCV64;
#else
#error "name this architecture's AUDIT_ARCH, and look whether clone's flags are its first argument"
#endif
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);  // where the low half of an argument lies

// Some are there on some architectures only.
constexpr std::uint32_t refused_calls[] = {
    // other processes
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_pidfd_getfd, SYS_kcmp, SYS_migrate_pages,
    SYS_move_pages,
    // the kernel
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load,
    SYS_syslog, SYS_quotactl, SYS_fanotify_init,
    // rings open sockets and files without a system call each
    SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
    // keys of the kernel
    SYS_add_key, SYS_keyctl, SYS_request_key,
    // files past their paths, mounts, namespaces
    SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_mount, SYS_umount2, SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig,
    SYS_fsmount, SYS_fspick, SYS_pivot_root, SYS_chroot, SYS_setns, SYS_unshare,
    // the machine
    SYS_reboot, SYS_swapon, SYS_swapoff, SYS_acct, SYS_sethostname, SYS_setdomainname, SYS_settimeofday, SYS_clock_settime,
    SYS_vhangup,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_mount_setattr
    SYS_mount_setattr,
#endif
#ifdef SYS_quotactl_fd
    SYS_quotactl_fd,
#endif
#ifdef SYS_lookup_dcookie
    SYS_lookup_dcookie,
#endif
#ifdef SYS_nfsservctl
    SYS_nfsservctl,
#endif
#ifdef __x86_64__
    SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_uselib, SYS_ustat, SYS_sysfs, SYS__sysctl, SYS_create_module,
#endif
    467,  // open_tree_attr (Linux 6.15), for headers that are older
};

constexpr std::uint32_t new_namespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

// Instructions of the kernel's filter, which see numbers alone: what a pointer points to is out of their reach.
class Filter {
 public:
  void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
  void load_argument(std::size_t index) { load(offsetof(seccomp_data, args) + 8 * index); }  // its low half: these are ints
  void answer(std::uint32_t action) { add(BPF_RET | BPF_K, action); }
  void refuse(std::uint32_t error = EPERM) { answer(SECCOMP_RET_ERRNO | error); }
  void allow() { answer(SECCOMP_RET_ALLOW); }
  // Skips so many instructions unless (or if) the condition holds.
  void unless_equal(std::uint32_t value, std::uint8_t skip) { add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip); }
  void unless_any_bit(std::uint32_t bits, std::uint8_t skip) { add(BPF_JMP | BPF_JSET | BPF_K, bits, 0, skip); }
  void unless_at_least(std::uint32_t value, std::uint8_t skip) { add(BPF_JMP | BPF_JGE | BPF_K, value, 0, skip); }
  void if_equal(std::uint32_t value, std::uint8_t skip) { add(BPF_JMP | BPF_JEQ | BPF_K, value, skip, 0); }

  bool install() {
    sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    // TSYNC: sanitizers have threads already.
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
  }

 private:
  void add(int code, std::uint32_t value, std::uint8_t if_true = 0, std::uint8_t if_false = 0) {
    code_.push_back({static_cast<std::uint16_t>(code), if_true, if_false, value});
  }
  std::vector<sock_filter> code_;
};

}  // namespace

bool restrict_calls(Network network) {
  Filter filter;
  filter.load(offsetof(seccomp_data, arch));
  filter.if_equal(architecture, 1);
  filter.refuse();
  filter.load(offsetof(seccomp_data, nr));
#ifdef __x86_64__
  // The same calls by x32's numbers would pass by the list.
  filter.unless_at_least(0x40000000, 1);
  filter.refuse();
#endif
  for (const std::uint32_t call : refused_calls) {
    filter.unless_equal(call, 1);
    filter.refuse();
  }
  // Its flags are behind a pointer. The C library then takes clone.
  filter.unless_equal(SYS_clone3, 1);
  filter.refuse(ENOSYS);

  std::vector<std::uint32_t> families{AF_UNIX, AF_NETLINK};
  if (network == Network::allowed) families.insert(families.end(), {AF_INET, AF_INET6});
  for (const std::uint32_t call : {SYS_socket, SYS_socketpair}) {
    filter.unless_equal(call, static_cast<std::uint8_t>(2 + 2 * families.size()));
    filter.load_argument(0);
    for (const std::uint32_t family : families) {
      filter.unless_equal(family, 1);
      filter.allow();
    }
    filter.refuse();
  }
  filter.unless_equal(SYS_clone, 4);
  filter.load_argument(0);
  filter.unless_any_bit(new_namespaces, 1);
  filter.refuse();
  filter.allow();
  // Typing at a terminal in the person's name.
  filter.unless_equal(SYS_ioctl, 5);
  filter.load_argument(1);
  filter.if_equal(TIOCSTI, 1);
  filter.unless_equal(0x541C /* TIOCLINUX */, 1);
  filter.refuse();
  filter.allow();
  filter.unless_equal(SYS_personality, 3);
  filter.load_argument(0);
  filter.if_equal(0xFFFFFFFF, 1);  // only asks
  filter.refuse();
  filter.allow();
  return filter.install();
}

}  // namespace signet::pkcs11::host
