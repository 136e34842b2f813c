/// See record_store.hpp. Callers put work into one queue; the store thread takes all that waits and commits it as one
/// transaction, so that under load the cost of a commit is shared by many.
#include "storage/record_store.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <pthread.h>
#include <sqlite3.h>
#include <thread>
#include <variant>

#include "io/base/log.hpp"
#include "storage/sqlite.hpp"

namespace gantry::storage {

namespace {

/// Goes up by one with each change of the table; an engine refuses what is newer than itself.
constexpr std::int64_t schema_version = 1;
/// "GNTR": tells our file from another program's database.
constexpr std::int64_t application_id = 0x474e5452;
/// How many calls share one transaction at most: bounds how long the first waits for the last.
constexpr std::size_t group_max = 1024;

struct write_call {
  std::vector<change> changes;
  record_store::on_commit done;
};
struct read_call {
  record_kind kind;
  std::promise<result<std::vector<record>>> answer;
};
using store_call = std::variant<write_call, read_call>;

struct statements {
  statement_handle put, erase, list, begin, commit, rollback;
};

result<> prepare_schema(sqlite_db& db) {
  GANTRY_TRY(version, db.query_number("PRAGMA user_version"));
  if (version == schema_version) return {};
  if (version > schema_version) {
    return error{errc::unavailable, 0,
                 "open `" + db.file() + "`: written by a newer engine (schema " + std::to_string(version) +
                     ", this one knows " + std::to_string(schema_version) + ")"};
  }
  GANTRY_TRY(tables, db.query_number("SELECT count(*) FROM sqlite_schema"));
  if (tables != 0) return error{errc::internal, 0, "open `" + db.file() + "`: not a record file of this engine"};
  const std::string sql = "BEGIN IMMEDIATE;"
                          "CREATE TABLE records(kind INTEGER NOT NULL, id TEXT NOT NULL, value BLOB NOT NULL,"
                          " PRIMARY KEY(kind, id)) WITHOUT ROWID;"
                          "PRAGMA application_id=" +
                          std::to_string(application_id) +
                          ";"
                          "PRAGMA user_version=" +
                          std::to_string(schema_version) +
                          ";"
                          "COMMIT;";
  return db.execute(sql.c_str());
}

result<statements> prepare_statements(sqlite_db& db) {
  statements s;
  const std::pair<statement_handle*, std::string_view> all[] = {
      {&s.put, "INSERT INTO records(kind, id, value) VALUES(?1, ?2, ?3) "
               "ON CONFLICT(kind, id) DO UPDATE SET value = excluded.value"},
      {&s.erase, "DELETE FROM records WHERE kind = ?1 AND id = ?2"},
      {&s.list, "SELECT id, value FROM records WHERE kind = ?1 ORDER BY id"},
      {&s.begin, "BEGIN IMMEDIATE"},
      {&s.commit, "COMMIT"},
      {&s.rollback, "ROLLBACK"},
  };
  for (const auto& [slot, sql] : all) {
    GANTRY_TRY(statement, db.prepare(sql));
    *slot = std::move(statement);
  }
  return s;
}

/// Opens, locks for good, and checks the file. The lock is SQLite's own exclusive mode: it is taken by the first write
/// transaction and held until close, and dies with the process.
result<sqlite_db> open_database(const std::filesystem::path& file) {
  GANTRY_TRY(db, sqlite_db::open(file));
  GANTRY_TRYV(db.execute("PRAGMA locking_mode=EXCLUSIVE"));
  GANTRY_TRYV(db.execute("PRAGMA journal_mode=WAL"));
  GANTRY_TRYV(db.execute("PRAGMA synchronous=NORMAL"));
  GANTRY_TRYV(db.execute("BEGIN EXCLUSIVE; COMMIT"));
  GANTRY_TRYV(prepare_schema(db));
  return db;
}

} // namespace

struct record_store::state {
  explicit state(sqlite_db opened) : db(std::move(opened)) {}

  sqlite_db db;
  statements sql; // after db: finalized before the connection closes
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<store_call> queue;
  bool stopping = false;
  std::thread thread;

  bool push(store_call call) {
    {
      std::lock_guard lock(mutex);
      if (stopping || queue.size() >= pending_max) return false;
      queue.push_back(std::move(call));
    }
    wake.notify_one();
    return true;
  }

  void run() {
    pthread_setname_np(pthread_self(), "gantry-store");
    while (true) {
      std::deque<store_call> taken;
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [this] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        const auto count = std::min(queue.size(), group_max);
        std::move(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(count), std::back_inserter(taken));
        queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(count));
      }
      serve(taken);
    }
  }

  /// Keeps the order of calls: a read sees all writes that were accepted before it.
  void serve(std::deque<store_call>& calls) {
    std::vector<write_call*> group;
    for (auto& call : calls) {
      if (auto* write = std::get_if<write_call>(&call)) {
        group.push_back(write);
        continue;
      }
      commit_group(group);
      group.clear();
      auto& read = std::get<read_call>(call);
      read.answer.set_value(list(read.kind));
    }
    commit_group(group);
  }

  void commit_group(const std::vector<write_call*>& group) {
    if (group.empty()) return;
    if (auto written = write_all(group); written.has_value()) {
      for (auto* call : group) call->done(result<>{});
      return;
    }
    // Something in the group failed: each call alone, so that only the guilty one hears of it.
    for (auto* call : group) call->done(write_all({call}));
  }

  result<> write_all(const std::vector<write_call*>& group) {
    GANTRY_TRYV(db.run(sql.begin.get()));
    auto written = [&]() -> result<> {
      for (const auto* call : group) {
        for (const auto& c : call->changes) GANTRY_TRYV(write_one(c));
      }
      return db.run(sql.commit.get());
    }();
    if (written.has_error()) {
      // A failed COMMIT may have rolled back by itself; then this fails harmlessly.
      (void)db.run(sql.rollback.get());
    }
    return written;
  }

  result<> write_one(const change& c) {
    auto* statement = c.erase ? sql.erase.get() : sql.put.get();
    sqlite3_bind_int(statement, 1, static_cast<int>(c.kind));
    sqlite3_bind_text64(statement, 2, c.id.data(), c.id.size(), SQLITE_STATIC, SQLITE_UTF8);
    if (!c.erase) sqlite3_bind_blob64(statement, 3, c.value.data(), c.value.size(), SQLITE_STATIC);
    if (!c.erase && c.value.empty()) sqlite3_bind_zeroblob(statement, 3, 0);
    auto written = db.run(statement);
    sqlite3_clear_bindings(statement);
    return written;
  }

  result<std::vector<record>> list(record_kind kind) {
    std::vector<record> found;
    auto* statement = sql.list.get();
    sqlite3_bind_int(statement, 1, static_cast<int>(kind));
    int code = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
      const auto text = [&](int column) {
        const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, column));
        return data ? std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(statement, column))) : "";
      };
      found.push_back({text(0), text(1)});
    }
    if (code != SQLITE_DONE) {
      error e = db.last_error("read");
      sqlite3_reset(statement);
      return e;
    }
    sqlite3_reset(statement);
    return found;
  }
};

record_store::record_store(std::unique_ptr<state> s) : state_(std::move(s)) {
  state_->thread = std::thread([raw = state_.get()] { raw->run(); });
}

record_store::~record_store() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_one();
  state_->thread.join();
}

result<std::unique_ptr<record_store>> record_store::open(const std::filesystem::path& directory) {
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) return sys_error("make `" + directory.string() + "`", failed.value());
  GANTRY_TRY(db, open_database(directory / "records.db"));
  auto s = std::make_unique<state>(std::move(db));
  GANTRY_TRY(sql, prepare_statements(s->db));
  s->sql = std::move(sql);
  return std::unique_ptr<record_store>(new record_store(std::move(s)));
}

void record_store::commit(std::vector<change> changes, on_commit done) {
  auto call = store_call{write_call{std::move(changes), done}};
  if (state_->push(std::move(call))) return;
  done(error{errc::unavailable, 0, "commit records: too many wait, or the engine is shutting down"});
}

result<> record_store::commit(std::vector<change> changes) {
  auto promise = std::make_shared<std::promise<result<>>>();
  auto answer = promise->get_future();
  commit(std::move(changes), [promise](result<> r) { promise->set_value(std::move(r)); });
  return answer.get();
}

result<std::vector<record>> record_store::load(record_kind kind) {
  read_call call{kind, {}};
  auto answer = call.answer.get_future();
  if (!state_->push(store_call{std::move(call)})) {
    return error{errc::unavailable, 0, "read records: too many wait, or the engine is shutting down"};
  }
  return answer.get();
}

} // namespace gantry::storage
