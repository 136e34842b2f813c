/// `--name value` and `--flag` for the benches; anything else ends the program with the usage text.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>

namespace gantry::bench {

class arguments {
public:
  explicit arguments(std::string usage) : usage_(std::move(usage)) {}

  void value(const std::string& name, std::string& into) {
    with_value_[name] = [&into](const std::string& text) {
      into = text;
      return true;
    };
  }
  void value(const std::string& name, unsigned& into) {
    with_value_[name] = [&into](const std::string& text) {
      char* end = nullptr;
      const unsigned long number = std::strtoul(text.c_str(), &end, 10);
      into = unsigned(number);
      return !text.empty() && *end == '\0' && number > 0 && number <= 10'000'000;
    };
  }
  void flag(const std::string& name, bool& into) { flags_[name] = &into; }

  void parse(int argc, char** argv) const {
    for (int i = 1; i < argc; ++i) {
      if (const auto flag = flags_.find(argv[i]); flag != flags_.end()) {
        *flag->second = true;
        continue;
      }
      const auto option = with_value_.find(argv[i]);
      if (option == with_value_.end() || i + 1 == argc || !option->second(argv[i + 1])) fail();
      ++i;
    }
  }

  [[noreturn]] void fail() const {
    std::fprintf(stderr, "%s", usage_.c_str());
    std::exit(2);
  }

private:
  std::string usage_;
  std::map<std::string, std::function<bool(const std::string&)>> with_value_;
  std::map<std::string, bool*> flags_;
};

} // namespace gantry::bench
