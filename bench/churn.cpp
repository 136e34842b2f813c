/// bench_churn: creates, starts, waits for and deletes containers over the Engine API; works against any engine that
/// speaks it, so that two engines are measured by the same client.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bench/arguments.hpp"
#include "bench/figures.hpp"
#include "bench/http_client.hpp"

namespace gantry::bench {
namespace {

constexpr const char* usage =
    "usage: bench_churn --socket PATH [--image NAME] [--count N] [--clients N] [--warm-up N] [--command PATH]\n"
    "                   [--network MODE] [--json]\n";

struct options {
  std::string socket;
  std::string image = "busybox";
  std::string command = "/bin/true";
  std::string network = "none";
  unsigned count = 100;
  unsigned clients = 1;
  unsigned warm_up = 5;
  bool json = false;
};

struct timings {
  figures create, start, wait, remove, total;

  void add(const timings& other) {
    create.add(other.create);
    start.add(other.start);
    wait.add(other.wait);
    remove.add(other.remove);
    total.add(other.total);
  }
  void sort() {
    for (figures* f : {&create, &start, &wait, &remove, &total}) f->sort();
  }
};

reply expect(int status, const char* what, reply r) {
  if (r.status != status) {
    throw std::runtime_error(std::string(what) + ": status " + std::to_string(r.status) + ": " + r.body);
  }
  return r;
}

/// The text after `"name":` in a reply of this API; enough of JSON for the two members that are read here.
std::string member(const std::string& json, const std::string& name) {
  const std::size_t at = json.find("\"" + name + "\":");
  if (at == std::string::npos) throw std::runtime_error("no " + name + " in " + json);
  return json.substr(at + name.size() + 3);
}

/// One container from create to delete; throws when any step is not answered as it must be.
void churn_one(http_client& client, const std::string& body, timings& into) {
  const auto begin = clock::now();
  const reply created = expect(201, "create", client.request("POST", "/containers/create", body));
  const std::string id = member(created.body, "Id").substr(1, 64);
  into.create.add(ms_since(begin));

  auto step = clock::now();
  expect(204, "start", client.request("POST", "/containers/" + id + "/start"));
  into.start.add(ms_since(step));

  step = clock::now();
  const reply waited = expect(200, "wait", client.request("POST", "/containers/" + id + "/wait"));
  if (std::atoi(member(waited.body, "StatusCode").c_str()) != 0) throw std::runtime_error("exit: " + waited.body);
  into.wait.add(ms_since(step));

  step = clock::now();
  expect(204, "delete", client.request("DELETE", "/containers/" + id));
  into.remove.add(ms_since(step));
  into.total.add(ms_since(begin));
}

std::string create_body(const options& opts) {
  return R"({"Image":")" + opts.image + R"(","Cmd":[")" + opts.command + R"("],"HostConfig":{"NetworkMode":")" +
         opts.network + R"("}})";
}

struct run_result {
  timings all;
  double seconds = 0;
  [[nodiscard]] double rate(unsigned count) const { return seconds > 0 ? count / seconds : 0; }
};

run_result run(const options& opts, unsigned count) {
  const std::string body = create_body(opts);
  std::atomic<unsigned> next{0};
  std::mutex guard; // for the two below, touched once by each client
  std::exception_ptr failure;
  run_result result;

  const auto begin = clock::now();
  std::vector<std::thread> clients;
  for (unsigned c = 0; c < opts.clients; ++c) {
    clients.emplace_back([&] {
      timings mine;
      std::exception_ptr failed;
      try {
        http_client client(opts.socket);
        while (next.fetch_add(1) < count) churn_one(client, body, mine);
      } catch (...) {
        failed = std::current_exception();
        next = count; // the others end too
      }
      const std::lock_guard lock(guard);
      result.all.add(mine);
      if (failed) failure = failed;
    });
  }
  for (std::thread& client : clients) client.join();
  result.seconds = ms_since(begin) / 1000;
  if (failure) std::rethrow_exception(failure);
  result.all.sort();
  return result;
}

void print(const options& opts, const run_result& r) {
  const timings& t = r.all;
  if (opts.json) {
    std::printf(R"({"count":%u,"clients":%u,"network":"%s","seconds":%.3f,"rate":%.2f,)"
                R"("create":%s,"start":%s,"wait":%s,"delete":%s,"total":%s})"
                "\n",
                opts.count, opts.clients, opts.network.c_str(), r.seconds, r.rate(opts.count), t.create.json().c_str(),
                t.start.json().c_str(), t.wait.json().c_str(), t.remove.json().c_str(), t.total.json().c_str());
    return;
  }
  std::printf("%u containers, %u client(s), network %s: all exited 0, %.2f s, %.1f /s\n", opts.count, opts.clients,
              opts.network.c_str(), r.seconds, r.rate(opts.count));
  std::printf("        %s\n", figures::heading());
  std::printf("create  %s\nstart   %s\nwait    %s\ndelete  %s\ntotal   %s\n", t.create.row().c_str(),
              t.start.row().c_str(), t.wait.row().c_str(), t.remove.row().c_str(), t.total.row().c_str());
}

options read_options(int argc, char** argv) {
  options opts;
  arguments args(usage);
  args.value("--socket", opts.socket);
  args.value("--image", opts.image);
  args.value("--command", opts.command);
  args.value("--network", opts.network);
  args.value("--count", opts.count);
  args.value("--clients", opts.clients);
  args.value("--warm-up", opts.warm_up);
  args.flag("--json", opts.json);
  args.parse(argc, argv);
  if (opts.socket.empty()) args.fail();
  return opts;
}

} // namespace
} // namespace gantry::bench

int main(int argc, char** argv) {
  using namespace gantry::bench;
  const options opts = read_options(argc, argv);
  try {
    run(opts, opts.warm_up);
    print(opts, run(opts, opts.count));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_churn: %s\n", e.what());
    return 1;
  }
}
