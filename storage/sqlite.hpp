/// A thin owner of one SQLite connection: what record_store needs of the C interface, with errors that name the file.
/// Not a general wrapper.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "io/base/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace gantry::storage {

struct sqlite_close {
  void operator()(sqlite3* db) const noexcept;
};
struct sqlite_finalize {
  void operator()(sqlite3_stmt* statement) const noexcept;
};
using statement_handle = std::unique_ptr<sqlite3_stmt, sqlite_finalize>;

/// Thread: one at a time (opened without SQLite's own mutexes).
class sqlite_db {
public:
  static result<sqlite_db> open(const std::filesystem::path& file);

  result<> execute(const char* sql);
  /// The first column of the first row, as a number.
  result<std::int64_t> query_number(const char* sql);
  result<statement_handle> prepare(std::string_view sql);
  /// Runs a prepared statement to its end and makes it ready for the next use.
  result<> run(sqlite3_stmt* statement);
  /// The error of the last call on this connection: "`verb` `file`: cause".
  [[nodiscard]] error last_error(std::string_view verb) const;
  [[nodiscard]] const std::string& file() const noexcept { return file_; }

private:
  std::string file_;
  std::unique_ptr<sqlite3, sqlite_close> db_;
};

} // namespace gantry::storage
