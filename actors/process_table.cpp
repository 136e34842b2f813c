#include "actors/process_table.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "io/base/defer.hpp"
#include "io/base/unique_fd.hpp"

extern char** environ;

namespace gantry::actors {

namespace {

constexpr std::size_t ps_output_bytes_max = 16u << 20;

std::vector<int> read_pids(const runtime::cgroup_layout& layout, const std::string& path) {
  std::set<int> pids;
  auto read_from = [&](const std::string& mount_point) {
    std::ifstream procs(mount_point + path + "/cgroup.procs");
    for (int pid; procs >> pid;) pids.insert(pid);
  };
  if (!layout.unified_mount_point.empty()) read_from(layout.unified_mount_point);
  for (auto& h : layout.hierarchies)
    if (pids.empty()) read_from(h.mount_point);
  return {pids.begin(), pids.end()};
}

std::vector<std::string> split_words(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

result<std::string> run_ps(const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error("make a pipe", errno);
  unique_fd out{ends[0]}, in{ends[1]};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  defer free_actions{[&] { posix_spawn_file_actions_destroy(&actions); }};
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 2);
  std::vector<std::string> words{"ps"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  if (int err = ::posix_spawnp(&pid, "ps", &actions, nullptr, argv.data(), environ); err != 0)
    return sys_error("run ps", err);
  in.reset();
  std::string text;
  char buffer[8192];
  for (ssize_t n; (n = ::read(out.get(), buffer, sizeof buffer)) > 0;)
    if (text.size() < ps_output_bytes_max) text.append(buffer, static_cast<std::size_t>(n));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return text;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return error{errc::internal, 0, "ps: " + text};
}

} // namespace

result<process_table> parse_ps(std::string_view output, const std::vector<int>& pids) {
  process_table table;
  auto newline = std::min(output.find('\n'), output.size());
  table.titles = split_words(output.substr(0, newline));
  auto pid_title = std::find(table.titles.begin(), table.titles.end(), "PID");
  if (pid_title == table.titles.end()) return error{errc::invalid_parameter, 0, "Couldn't find PID field in ps output"};
  auto pid_column = static_cast<std::size_t>(pid_title - table.titles.begin());
  for (auto at = newline + 1; at < output.size();) {
    auto end = std::min(output.find('\n', at), output.size());
    auto words = split_words(output.substr(at, end - at));
    at = end + 1;
    if (words.size() <= pid_column) continue;
    auto pid = std::atoi(words[pid_column].c_str());
    if (std::find(pids.begin(), pids.end(), pid) == pids.end()) continue;
    // What follows the last title (a command line) is one field, however many blanks it has.
    api::string_list row(words.begin(),
                         words.begin() + static_cast<std::ptrdiff_t>(std::min(words.size(), table.titles.size() - 1)));
    std::string last;
    for (auto i = row.size(); i < words.size(); ++i) last += (last.empty() ? "" : " ") + words[i];
    row.push_back(last);
    table.rows.push_back(std::move(row));
  }
  return table;
}

result<process_table> list_processes(const runtime::cgroup_layout& layout, const std::string& cgroup_path,
                                     const std::string& ps_arguments) {
  auto pids = read_pids(layout, cgroup_path);
  auto arguments = split_words(ps_arguments);
  GANTRY_TRY(output, run_ps(arguments));
  return parse_ps(output, pids);
}

} // namespace gantry::actors
