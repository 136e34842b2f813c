/// Timings of one kind, and the percentiles that the benches print.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace gantry::bench {

using clock = std::chrono::steady_clock;

inline double ms_since(clock::time_point start) {
  return std::chrono::duration<double, std::milli>(clock::now() - start).count();
}

class figures {
public:
  void add(double ms) { all_.push_back(ms); }
  void add(const figures& other) { all_.insert(all_.end(), other.all_.begin(), other.all_.end()); }
  void sort() { std::sort(all_.begin(), all_.end()); }

  /// The nearest-rank percentile of sorted figures; 0 when there are none.
  [[nodiscard]] double percentile(double percent) const {
    if (all_.empty()) return 0;
    const double rank = std::ceil(percent / 100 * double(all_.size()));
    return all_[std::size_t(std::max(rank, 1.0)) - 1];
  }

  /// {"p50":1.0,"p90":2.0,"p99":3.0,"max":4.0}, in milliseconds.
  [[nodiscard]] std::string json() const {
    char text[160];
    std::snprintf(text, sizeof text, R"({"p50":%.3f,"p90":%.3f,"p99":%.3f,"max":%.3f})", percentile(50), percentile(90),
                  percentile(99), percentile(100));
    return text;
  }

  /// Four columns under `heading()`.
  [[nodiscard]] std::string row() const {
    char text[160];
    std::snprintf(text, sizeof text, "%10.2f %10.2f %10.2f %10.2f", percentile(50), percentile(90), percentile(99),
                  percentile(100));
    return text;
  }
  static const char* heading() { return "    p50 ms     p90 ms     p99 ms     max ms"; }

private:
  std::vector<double> all_;
};

} // namespace gantry::bench
