/// Ring setup, with the flags of newer kernels where they exist.
#include "io/uring_ring.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <unistd.h>
#include <utility>

#include "io/base/unique_fd.hpp"

namespace gantry::io {

namespace {

/// One enter submits at most this many; more wait in the reactor's backlog. A worker's usual batch is a few dozen.
constexpr unsigned sq_entries = 256;
/// Completions that the kernel can leave without its slower overflow list.
constexpr unsigned cq_entries = 4096;
static_assert(cq_entries >= 2 * sq_entries, "the kernel's own default ratio");

/// EXT_ARG (5.11): wait with a timeout in one call. NODROP (5.5): a full CQ loses nothing. FAST_POLL (5.7): a socket
/// without data does not take a kernel thread. RSRC_TAGS marks 5.13, which brought the multishot poll of the mailbox.
constexpr unsigned needed_features =
    IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_RSRC_TAGS;

constexpr std::array needed_opcodes{IORING_OP_NOP,      IORING_OP_RECV,    IORING_OP_SEND,        IORING_OP_RECVMSG,
                                    IORING_OP_SENDMSG,  IORING_OP_READ,    IORING_OP_WRITE,       IORING_OP_ACCEPT,
                                    IORING_OP_POLL_ADD, IORING_OP_TIMEOUT, IORING_OP_ASYNC_CANCEL};

/// kernel.io_uring_disabled (6.6): 1 refuses it to all but a group, 2 to everybody.
bool disabled_by_sysctl() {
  unique_fd file(::open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC));
  char value = '0';
  return file && ::read(file.get(), &value, 1) == 1 && value != '0';
}

error refused(int err) {
  std::string cause;
  if (err == EPERM && disabled_by_sysctl())
    cause = "the sysctl kernel.io_uring_disabled forbids it";
  else if (err == EPERM || err == EACCES)
    cause = "a seccomp profile forbids it, as Docker's default does";
  else if (err == ENOSYS)
    cause = "the kernel has none, or a seccomp profile hides it";
  else if (err == ENOMEM)
    cause = "no memory for its rings; before Linux 5.12 raise RLIMIT_MEMLOCK";
  else
    cause = "unexpected";
  return sys_error("set up io_uring: " + cause, err, errc::unavailable);
}

error too_old(const char* lacking) {
  return {errc::unavailable, 0, std::string("set up io_uring: this kernel's lacks ") + lacking};
}

/// A small ring that is used at once: io_uring_enter may be refused where io_uring_setup is not.
result<> try_once() {
  io_uring ring{};
  io_uring_params params{};
  if (const int rc = io_uring_queue_init_params(4, &ring, &params); rc < 0) return refused(-rc);
  std::unique_ptr<io_uring, decltype(&io_uring_queue_exit)> guard(&ring, io_uring_queue_exit);
  if ((params.features & needed_features) != needed_features) return too_old("a feature (Linux 5.13 has all)");

  std::unique_ptr<io_uring_probe, decltype(&io_uring_free_probe)> probe(io_uring_get_probe_ring(&ring),
                                                                        io_uring_free_probe);
  if (!probe) return too_old("the probe of its operations");
  for (const int opcode : needed_opcodes) {
    if (io_uring_opcode_supported(probe.get(), opcode) == 0) return too_old("an operation");
  }

  io_uring_prep_nop(io_uring_get_sqe(&ring));
  if (const int rc = io_uring_submit_and_wait(&ring, 1); rc < 0) return refused(-rc);
  return {};
}

} // namespace

result<uring_ring> uring_ring::make() {
  GANTRY_TRYV(try_once());
  // Newest first; each kernel refuses flags that it does not know with EINVAL.
  // 6.1: completions are worked off only when the owner asks, without interrupting it.
  constexpr unsigned deferred = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  // 5.19: they do not interrupt the owner; TASKRUN_FLAG shows in the shared page that there are some.
  constexpr unsigned cooperative = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;
  int rc = -EINVAL;
  for (const unsigned flags : {deferred | cooperative, cooperative, 0U}) {
    uring_ring out;
    io_uring_params params{};
    params.flags = flags | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    params.cq_entries = cq_entries;
    rc = io_uring_queue_init_params(sq_entries, &out.ring_, &params);
    if (rc == 0) {
      out.live_ = true;
      return out;
    }
    if (rc != -EINVAL) break;
  }
  return refused(-rc);
}

uring_ring::uring_ring(uring_ring&& other) noexcept : ring_(other.ring_), live_(std::exchange(other.live_, false)) {}

uring_ring::~uring_ring() {
  if (live_) io_uring_queue_exit(&ring_);
}

} // namespace gantry::io
