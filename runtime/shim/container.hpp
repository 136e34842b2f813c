/// One container from its launch until its exit was told: pidfd, streams, log, attached clients.
/// Owns:   its pidfd, its ends of the stdio pipes or the pty's master, its log file, its attach sockets.
/// States: launching -> running -> ended (or launching -> failed); one way, and each end is told to the host once.
/// A running container costs its descriptors and about 1 KiB; buffers are shared, a partial line is kept as long as it
/// is.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/base/result.hpp"
#include "io/base/time.hpp"
#include "io/base/unique_fd.hpp"
#include "runtime/launcher.hpp"
#include "runtime/shim/attach_stream.hpp"
#include "runtime/shim/event_loop.hpp"
#include "runtime/shim/json_log.hpp"

namespace gantry::runtime::shim {

/// What the shim needs of the launcher and of control groups; tests give their own.
struct kernel_ops {
  std::function<result<launching>(const pb::Spec&, stdio)> begin_launch;
  std::function<result<launched>(launching&&, const pb::Spec&)> finish_launch;
  std::function<bool(std::string_view cgroup_path)> oom_killed;
  std::function<result<>(std::string_view cgroup_path, int signal)> signal_all;
};

/// The launcher and the cgroups of this host.
kernel_ops real_kernel_ops();

class container;

/// Shared by all containers of a shim.
struct container_context {
  event_loop& loop;
  const kernel_ops& kernel;
  std::span<char> read_buffer;
  record_buffer& records;
  std::size_t& queued_total;

  [[nodiscard]] attach_context for_attach() const noexcept { return {loop, read_buffer, queued_total}; }
};

class container_host {
public:
  /// The program runs, or not: then the container is ended and the host drops it.
  virtual void launch_done(container& c, const result<>& done) = 0;
  /// The init process has been reaped; all its output is in the log and with the attached clients or their queues.
  virtual void exited(container& c, int wait_status) = 0;

protected:
  ~container_host() = default;
};

class container final : public attach_owner {
public:
  enum class phase { launching, running, ended };
  /// Who asked for the launch, to be told.
  struct asker {
    std::uint64_t connection = 0;
    std::uint64_t request = 0;
  };

  container(container_context context, container_host& host, pb::Launch&& launch, asker from);
  /// As an earlier shim saved it.
  container(container_context context, container_host& host, const pb::ContainerState& state);
  container(const container&) = delete;
  container& operator=(const container&) = delete;
  ~container();

  /// Makes the streams and clones. The outcome comes to the host unless this fails.
  /// Errors: internal (no descriptors left; clone refused).
  result<> begin(std::vector<unique_fd> attach_sockets, const google::protobuf::RepeatedPtrField<pb::AttachOptions>&);
  /// Errors: conflict (not running) · unavailable (too many clients).
  result<> attach(unique_fd socket, const pb::AttachOptions& options);
  /// Errors: conflict (not running) · invalid_parameter (no such signal).
  result<> signal(int number, bool all);
  /// Errors: conflict (not running, or no terminal).
  result<> resize(unsigned rows, unsigned columns);
  void reopen_log() noexcept { log_.reopen(); }

  /// Waits for the outcome of a launch, and tells the host. Does nothing when it is running.
  void settle(std::chrono::milliseconds at_most);
  /// Looks whether init has ended, and if so reaps it and tells the host. True then.
  bool reap();
  /// Clients that have not taken all output yet; the caller owns them from now on.
  std::vector<std::unique_ptr<attach_stream>> take_attaches() { return std::move(attaches_); }

  void save(pb::ContainerState& out);

  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] const std::string& label() const noexcept { return label_; }
  [[nodiscard]] const std::string& cgroup_path() const noexcept { return cgroup_path_; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// The process that was cloned; the launcher may have given another one as init.
  [[nodiscard]] pid_t launching_pid() const noexcept { return launching_pid_; }
  [[nodiscard]] unix_nanos started_at() const noexcept { return started_at_; }
  [[nodiscard]] phase state() const noexcept { return phase_; }
  [[nodiscard]] asker asked_by() const noexcept { return asker_; }

private:
  // attach_owner
  bool wants_input() override { return stdin_queue_.empty(); }
  void take_input(std::string_view bytes) override;
  void input_ended() override;
  void output_drained() override;
  void forget(attach_stream& from) override;

  result<stdio> make_pipes();
  void on_status();
  void start_relaying();
  void read_output(stream s);
  /// One read; false when nothing is left for now or for ever.
  bool read_once(stream s);
  void drain(stream s);
  void end_output(stream s);
  void deliver(stream s, std::string_view bytes);
  void update_pause();
  void flush_input();
  void close_input();
  void sweep_attaches();
  [[nodiscard]] error not_running(const char* verb) const;
  [[nodiscard]] watch& output(stream s) noexcept { return s == stream::out ? out_ : err_; }

  container_context context_;
  container_host& host_;
  std::string id_;
  std::string label_;
  std::string cgroup_path_;
  asker asker_;
  json_log log_;
  struct pending {
    pb::Spec spec;
    launching child; ///< but for its status descriptor, which is watched
  };
  std::unique_ptr<pending> pending_; ///< while launching
  watch status_;
  watch pidfd_;
  watch in_, out_, err_;    ///< pipes; with a terminal `in_` and `out_` are its master
  unique_fd pty_slave_;     ///< held so that the master does not hang up while the program has it closed
  std::string stdin_queue_; ///< at most what one read from a client gave
  std::vector<std::unique_ptr<attach_stream>> attaches_;
  unix_nanos started_at_ = 0;
  pid_t pid_ = -1;
  pid_t launching_pid_ = -1;
  phase phase_ = phase::launching;
  bool terminal_;
  bool open_stdin_;
  bool stdin_once_;
  bool stdin_ending_ = false; ///< close stdin once its queue is written
  bool paused_ = false;       ///< a client's queue is full
};

} // namespace gantry::runtime::shim
