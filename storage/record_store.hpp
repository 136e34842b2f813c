/// The engine's records on disk: one SQLite file (WAL), one thread that commits in groups. A value is opaque bytes (a
/// Protobuf record); a key is a kind and an id.
///
/// What `done` was told survives kill -9. After power loss the newest commits may be missing, never torn: WAL with
/// synchronous=NORMAL (design §3).
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/base/result.hpp"

namespace gantry::storage {

enum class record_kind : int { container = 1, image = 2, layer = 3, tag = 4, engine = 5, container_state = 6 };

struct change {
  record_kind kind;
  std::string id;
  bool erase = false;
  std::string value; ///< empty when erase
};

struct record {
  std::string id;
  std::string value;
};

class record_store {
public:
  using on_commit = std::function<void(result<>)>;

  /// Opens or makes `directory`/records.db and starts the store thread.
  /// Errors: unavailable (another engine holds it; a newer schema), internal (disk; the message names the file).
  static result<std::unique_ptr<record_store>> open(const std::filesystem::path& directory);
  ~record_store(); ///< commits what was accepted

  /// All changes of one call commit together or not at all; changes of many calls share one transaction. `done` runs on
  /// the store thread and must not block. Bound: `pending_max` waiting calls, then `unavailable` at once.
  /// Thread: any.
  void commit(std::vector<change> changes, on_commit done);
  /// The same, waiting. Thread: any but workers and the store thread.
  result<> commit(std::vector<change> changes);

  /// All records of a kind. Thread: any but workers; meant for the start.
  result<std::vector<record>> load(record_kind kind);

  static constexpr std::size_t pending_max = 65536;

private:
  struct state;
  explicit record_store(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

} // namespace gantry::storage
