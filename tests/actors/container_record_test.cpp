// Container records, exit codes of failed starts, ps output.
#include <catch2/catch.hpp>

#include "actors/container_record.hpp"
#include "actors/launch_message.hpp"
#include "actors/process_table.hpp"

using namespace gantry;
using namespace gantry::actors;

TEST_CASE("a container's record gives back what was written", "[actors][container_record]") {
  api::container_definition d;
  d.id = std::string(64, 'a');
  d.created = 1234567890;
  d.path = "sh";
  d.args = {"-c", "echo <hi>"};
  d.image_id = "sha256:" + std::string(64, 'b');
  d.image_name = "busybox";
  d.config.env = {"A=1"};
  d.config.labels = {{"k", ""}};
  d.config.tty = true;
  d.host.memory = 64 << 20;
  d.host.network_mode = "none";
  d.mounts = {{"bind", "", "/host", "/ctr", "", "ro", "rprivate", false}};

  auto bytes = encode_container(d, "web");
  CHECK(bytes.size() < 1000); // a created container takes little disk
  auto back = decode_container(bytes);
  REQUIRE(back.has_value());
  CHECK(back->name == "web");
  CHECK(back->definition->id == d.id);
  CHECK(back->definition->args == d.args);
  CHECK(back->definition->config.env == d.config.env);
  CHECK(back->definition->config.labels == d.config.labels);
  CHECK(back->definition->config.tty);
  CHECK(back->definition->host.memory == d.host.memory);
  REQUIRE(back->definition->mounts.size() == 1);
  CHECK_FALSE(back->definition->mounts[0].rw);
  CHECK(decode_container("\xff\xff").has_error());
}

TEST_CASE("a state record tells created, exited and was running apart", "[actors][container_record]") {
  stored_state s;
  CHECK(decode_state(encode_state(s))->state.status == api::container_status::created);
  s.state.started_at = 5;
  s.state.exit_code = 3;
  s.was_running = true;
  auto back = decode_state(encode_state(s));
  CHECK(back->state.status == api::container_status::exited);
  CHECK(back->state.exit_code == 3);
  CHECK(back->was_running);
}

TEST_CASE("the words of a failed start decide its exit code", "[actors][launch_message]") {
  CHECK(exit_code_of_start_failure("exec: \"x\": executable file not found in $PATH") == 127);
  CHECK(exit_code_of_start_failure("exec: \"/x\": stat /x: No such file or directory") == 127);
  CHECK(exit_code_of_start_failure("exec: \"/etc\": Permission denied") == 126);
  CHECK(exit_code_of_start_failure("exec: \"/etc\": is a directory: permission denied") == 126);
  CHECK(exit_code_of_start_failure("something else") == 128);
}

TEST_CASE("ps output is limited to the container's processes", "[actors][process_table]") {
  std::string text = "UID   PID  PPID CMD\nroot    1     0 init\nroot   42     1 sleep 10 \n7    43    42 sh -c  x y\n";
  auto table = parse_ps(text, {42, 43});
  REQUIRE(table.has_value());
  CHECK(table->titles == api::string_list{"UID", "PID", "PPID", "CMD"});
  REQUIRE(table->rows.size() == 2);
  CHECK(table->rows[0] == api::string_list{"root", "42", "1", "sleep 10"});
  CHECK(table->rows[1] == api::string_list{"7", "43", "42", "sh -c x y"});
  CHECK(parse_ps("A B\n1 2\n", {1}).error().message == "Couldn't find PID field in ps output");
}
