/// The shim: parent of every container of one engine. Answers requests of shim.proto, keeps exits until the engine has
/// recorded them, and goes on when the engine is away.
/// Thread: one. Owns everything it holds; destroyed only when idle, or by exec for an upgrade.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "runtime/shim/container.hpp"
#include "runtime/shim/engine_connection.hpp"
#include "runtime/shim/lingering.hpp"
#include "runtime/shim/signals.hpp"

namespace gantry::runtime::shim {

/// Connections at once: the engine has one a thread at most. One more is closed at once.
inline constexpr std::size_t connections_max = 64;
/// Launches between clone and exec at once; one more is refused (unavailable). Each holds its Spec.
inline constexpr std::size_t launches_max = 4096;
/// A label's size, and the sum of what Hello's answer holds: it must fit in one frame.
inline constexpr std::size_t label_bytes_max = 64u << 10;
inline constexpr std::size_t held_bytes_max = shim_frame_bytes_max - (1u << 20);
inline constexpr std::size_t id_bytes_max = 255;
/// Hello waits so long for launches that a connection asked for which is gone.
inline constexpr std::chrono::milliseconds settle_ms_max{2000};

/// What one container may take in Hello's answer.
inline std::size_t held_size(const std::string& id, const std::string& label) noexcept {
  return 2 * id.size() + label.size() + 96;
}

/// The two descriptors by which a run root belongs to this shim.
struct endpoint {
  std::string socket_path; ///< DIR/shim.sock
  unique_fd lock;          ///< DIR/shim.lock, held by flock for life
  unique_fd listener;
};

class server final : public request_handler, public container_host {
public:
  /// How `run` ended.
  enum class outcome { idle, upgrade };

  server(kernel_ops kernel, endpoint at);
  ~server();

  result<> open();
  /// Serves until it is asked to end and holds nothing (idle), or until SIGUSR2 (upgrade): then `save` and exec, or
  /// call it again.
  outcome run();

  /// For an upgrade. Descriptors in the state stay ours, and close-on-exec.
  void save(pb::ShimState& out);
  /// Takes over what an earlier shim saved, with its descriptors. Before `run`.
  void restore(const pb::ShimState& state);

private:
  // request_handler, container_host
  void on_request(engine_connection& from, pb::ToShim&& request) override;
  void launch_done(container& c, const result<>& done) override;
  void exited(container& c, int wait_status) override;

  void on_accept();
  void on_signals();
  void reap_strays();
  void sweep_connections();
  void settle_orphaned_launches();
  void begin_ending();

  void hello(engine_connection& from, std::uint64_t request, const pb::Hello& m);
  void launch(engine_connection& from, std::uint64_t request, pb::Launch&& m);
  result<> check_launch(const pb::Launch& m) const;
  result<> attach(engine_connection& from, const pb::Attach& m);
  result<> acknowledge(const std::string& id);
  result<> shut_down();
  result<container*> find(const std::string& id);

  void reply(engine_connection& to, std::uint64_t request, const result<>& done);
  void reply_launched(const container& c);
  engine_connection* connection(std::uint64_t serial);
  std::unique_ptr<container> take(container& c);
  void forget_held(std::size_t bytes) noexcept { held_bytes_ -= bytes; }

  container_context context() { return {loop_, kernel_, read_buffer_, records_, attach_queued_}; }

  event_loop loop_;
  kernel_ops kernel_;
  std::string socket_path_;
  unique_fd lock_;
  std::vector<char> read_buffer_;
  record_buffer records_;
  std::size_t attach_queued_ = 0;
  lingering lingering_;
  watch listener_;
  watch signals_;
  timer strays_;
  unique_fd spare_; ///< given up for a moment to refuse a connection when no descriptor is left
  std::uint64_t next_connection_ = 1;
  std::list<engine_connection> connections_;
  std::unordered_map<std::string, std::unique_ptr<container>> containers_; ///< launching and running
  std::unordered_map<pid_t, container*> by_pid_;
  std::unordered_map<std::string, pb::Held> ended_; ///< until acknowledged
  std::size_t launches_ = 0;
  std::size_t held_bytes_ = 0;
  bool ending_ = false; ///< Shutdown came and was granted
  bool upgrade_ = false;
};

} // namespace gantry::runtime::shim
