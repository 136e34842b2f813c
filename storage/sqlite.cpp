/// See sqlite.hpp.
#include "storage/sqlite.hpp"

#include <sqlite3.h>

namespace gantry::storage {

void sqlite_close::operator()(sqlite3* db) const noexcept { sqlite3_close_v2(db); }
void sqlite_finalize::operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }

error sqlite_db::last_error(std::string_view verb) const {
  const int code = db_ ? sqlite3_errcode(db_.get()) : SQLITE_NOMEM;
  std::string text = std::string(verb) + " `" + file_ + "`: ";
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
    text += "another engine uses this data root (stop it, or give this one its own with --data-root)";
    return error{errc::unavailable, 0, std::move(text)};
  }
  text += db_ ? sqlite3_errmsg(db_.get()) : "out of memory";
  const int sys = db_ ? sqlite3_system_errno(db_.get()) : 0;
  if (code == SQLITE_CANTOPEN && sys != 0) text += std::string(": ") + std::strerror(sys);
  return error{errc::internal, code == SQLITE_FULL ? ENOSPC : sys, std::move(text)};
}

result<sqlite_db> sqlite_db::open(const std::filesystem::path& file) {
  sqlite_db self;
  self.file_ = file.string();
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
  const int code = sqlite3_open_v2(self.file_.c_str(), &raw, flags, nullptr);
  self.db_.reset(raw);
  if (code != SQLITE_OK) return self.last_error("open");
  return self;
}

result<> sqlite_db::execute(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return last_error("write");
  return {};
}

result<std::int64_t> sqlite_db::query_number(const char* sql) {
  GANTRY_TRY(statement, prepare(sql));
  if (sqlite3_step(statement.get()) != SQLITE_ROW) return last_error("read");
  return sqlite3_column_int64(statement.get(), 0);
}

result<statement_handle> sqlite_db::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const int code =
      sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  statement_handle statement(raw);
  if (code != SQLITE_OK) return last_error("read");
  return statement;
}

result<> sqlite_db::run(sqlite3_stmt* statement) {
  int code = SQLITE_ROW;
  while (code == SQLITE_ROW) code = sqlite3_step(statement);
  // reset gives the step's error again; last_error must be asked before it clears.
  if (code != SQLITE_DONE) {
    error e = last_error("write");
    sqlite3_reset(statement);
    return e;
  }
  sqlite3_reset(statement);
  return {};
}

} // namespace gantry::storage
