/// What all commands share: usage errors, filters, times, questions.
#include "cli/command.hpp"

#include <array>
#include <ctime>
#include <map>
#include <set>
#include <unistd.h>

#include "api/duration.hpp"
#include "cli/values.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

std::string usage_line(const command& self) {
  return std::string("Usage:  gantry ") + self.name + (*self.usage != '\0' ? " " : "") + self.usage;
}

std::string count_problem(const command& self, std::size_t count) {
  if (count >= self.arguments_min && count <= self.arguments_max) return {};
  const std::string who = std::string("'gantry ") + self.name + "' ";
  const auto arguments = [](std::size_t n) { return std::to_string(n) + (n == 1 ? " argument" : " arguments"); };
  if (self.arguments_max == 0) return who + "accepts no arguments";
  if (self.arguments_min == self.arguments_max) return who + "requires " + arguments(self.arguments_min);
  if (count < self.arguments_min) return who + "requires at least " + arguments(self.arguments_min);
  return who + "requires at most " + arguments(self.arguments_max);
}

} // namespace

parsed_arguments parse_arguments(command_context& context, const command& self, flag_set& flags,
                                 const string_list& arguments) {
  bool help = false;
  flags.boolean(help, "help", 0, "Print usage");
  auto rest = flags.parse(arguments, self.mode);
  if (rest.has_error()) {
    context.err << rest.error().message << "\n\n"
                << usage_line(self) << "\n\nRun 'gantry " << self.name << " --help' for more information\n";
    return {125, {}};
  }
  if (help) {
    context.out << usage_line(self) << "\n\n" << self.summary << "\n\nOptions:\n" << flags.usage();
    return {0, {}};
  }
  if (const auto problem = count_problem(self, rest->size()); !problem.empty()) {
    // The two forms are docker's.
    const char* hint = self.arguments_min == self.arguments_max ? "Run" : "See";
    context.err << "gantry: " << problem << "\n\n"
                << usage_line(self) << "\n\n"
                << hint << " 'gantry " << self.name << " --help' for more information\n";
    return {1, {}};
  }
  return {std::nullopt, std::move(*rest)};
}

void print_failure(std::ostream& err, const command& self, const error& e) {
  if (self.error_status == 1) {
    err << e.message << '\n';
    return;
  }
  err << "gantry: " << e.message << "\n\nRun 'gantry " << self.name << " --help' for more information\n";
}

void add_filter_flag(flag_set& flags, string_list& into, char shorthand) {
  flags.add({"filter", shorthand, "filter", "Filter output based on conditions provided", "", "",
             [&into](const std::string& text) -> result<> {
               if (text.find('=') == std::string::npos)
                 return error{errc::invalid_parameter, 0, "bad format of filter (expected name=value)"};
               into.push_back(text);
               return {};
             }});
}

std::string filters_json(const string_list& filters) {
  std::map<std::string, std::set<std::string>> values;
  for (const auto& text : filters) {
    const auto pair = split_pair(text).value_or(std::pair{text, std::string()});
    std::string key;
    for (const char c : pair.first)
      if (c != ' ') key += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    const auto begin = pair.second.find_first_not_of(' ');
    const auto end = pair.second.find_last_not_of(' ');
    values[key].insert(begin == std::string::npos ? "" : pair.second.substr(begin, end - begin + 1));
  }
  json::object all;
  for (const auto& [key, set] : values) {
    json::object of_key;
    for (const auto& value : set) of_key[value] = true;
    all[key] = std::move(of_key);
  }
  return json::serialize(all);
}

result<std::string> api_timestamp(const std::string& text) {
  if (text.empty()) return std::string();
  // Plain seconds go as they are.
  if (text.find_first_not_of("0123456789.") == std::string::npos) return text;
  const auto when = api::parse_time_or_duration(text, now_nanos());
  if (!when) return error{errc::invalid_parameter, 0, "failed to parse value as time or duration: \"" + text + "\""};
  std::string fraction = std::to_string(*when % 1000000000);
  fraction.insert(0, 9 - fraction.size(), '0');
  return std::to_string(*when / 1000000000) + "." + fraction;
}

std::string age_text(std::int64_t unix_seconds) {
  if (unix_seconds <= 0) return "N/A";
  return api::human_duration(now_nanos() - unix_seconds * 1000000000) + " ago";
}

std::string full_time(std::int64_t unix_seconds) {
  const auto when = static_cast<std::time_t>(unix_seconds);
  std::tm local{};
  ::localtime_r(&when, &local);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S %z %Z", &local);
  return text.data();
}

bool confirm(command_context& context, const std::string& question) {
  context.out << question << " [y/N] " << std::flush;
  std::string answer;
  for (char c = 0; ::read(context.in_fd, &c, 1) == 1 && c != '\n';) answer += c;
  return answer == "y" || answer == "Y";
}

} // namespace gantry::cli
