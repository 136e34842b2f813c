/// One thread that does what nobody waits for: emptying the trash, and the syncfs behind a load.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

#include "io/base/result.hpp"

namespace gantry::storage {

class janitor {
public:
  /// `sync` makes what was loaded durable and marks it so.
  janitor(std::filesystem::path data_root, std::function<result<>()> sync);
  /// Finishes a sync that was asked for; leaves the trash to the next start.
  ~janitor();

  /// Thread: any; neither waits.
  void empty_trash_soon();
  void sync_soon();
  /// Waits until all that was asked for before is done.
  result<> wait();

private:
  void run();

  std::filesystem::path data_root_;
  std::function<result<>()> sync_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  bool trash_asked_ = false, sync_asked_ = false, working_ = false, stopping_ = false;
  result<> last_sync_;
  std::thread thread_;
};

} // namespace gantry::storage
