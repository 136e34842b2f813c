/// What the shim's json-file log costs: MB of container output a second through line splitting, escaping and write(2).
/// Usage: bench_shim_log [DIRECTORY] [MB]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "runtime/shim/json_log.hpp"

using namespace gantry;
using namespace gantry::runtime;
using namespace gantry::runtime::shim;

namespace {

/// Output as a program gives it: reads of 64 KiB that cut lines anywhere.
double megabytes_a_second(const std::string& file, const std::string& line, std::size_t total_mb) {
  std::string text;
  while (text.size() < (1u << 20) + (64u << 10)) text += line;
  pb::Log config;
  config.set_driver(pb::Log::JSON_FILE);
  config.set_path(file);
  config.set_max_size_bytes(256 << 20); // so that a long run does not fill the disk
  config.set_max_files(1);
  json_log log(config, "bench");
  record_buffer records;
  const auto start = std::chrono::steady_clock::now();
  std::size_t at = 0;
  for (std::size_t done = 0; done < total_mb << 20; done += 64u << 10) {
    log.write(stream::out, std::string_view(text).substr(at, 64u << 10), now_nanos(), records);
    at = (at + (64u << 10)) % line.size(); // goes on where it stopped, so that lines stay as they are
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return static_cast<double>(total_mb) * 1.048576 / took.count();
}

} // namespace

int main(int argc, char** argv) {
  const std::filesystem::path dir = argc > 1 ? argv[1] : "/tmp";
  const auto total_mb = static_cast<std::size_t>(argc > 2 ? std::atoi(argv[2]) : 512);
  const auto file = dir / "gantry-bench-shim-log.json";
  struct row {
    const char* name;
    std::string line;
  };
  std::string escapes;
  for (int i = 0; i < 10; ++i) escapes += "\"a\":<b>\t\xc3\xa9 ";
  const row rows[] = {{"99 plain bytes", std::string(99, 'x') + "\n"},
                      {"9 plain bytes", std::string(9, 'x') + "\n"},
                      {"999 plain bytes", std::string(999, 'x') + "\n"},
                      {"100 KiB of plain bytes", std::string(100 << 10, 'x') + "\n"},
                      {"many escapes", escapes + "\n"}};
  for (const auto& r : rows) std::printf("%-24s %8.0f MB/s\n", r.name, megabytes_a_second(file, r.line, total_mb));
  std::filesystem::remove(file);
}
