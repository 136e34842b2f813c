/// What each call does, one function a verb, grouped as the Engine API groups them. A handler replies, asks an actor
/// and replies later, or begins an exchange.
#pragma once

#include "actors/connection.hpp"

namespace gantry::actors {

// handlers_containers.cpp
void handle(connection& c, api::list_containers call);
void handle(connection& c, api::create_container call);
void handle(connection& c, api::inspect_container call);
void handle(connection& c, api::container_top call);
void handle(connection& c, api::resize_container call);
void handle(connection& c, api::start_container call);
void handle(connection& c, api::stop_container call);
void handle(connection& c, api::restart_container call);
void handle(connection& c, api::kill_container call);
void handle(connection& c, api::rename_container call);
void handle(connection& c, api::wait_container call);
void handle(connection& c, api::remove_container call);
void handle(connection& c, api::prune_containers call);

// exchange_attach.cpp, exchange_logs.cpp, exchange_events.cpp
void handle(connection& c, api::attach_container call);
void handle(connection& c, api::container_logs call);
void handle(connection& c, api::get_events call);

// handlers_images.cpp
void handle(connection& c, api::list_images call);
void handle(connection& c, api::inspect_image call);
void handle(connection& c, api::image_history_of call);
void handle(connection& c, api::tag_image call);
void handle(connection& c, api::remove_image call);
void handle(connection& c, api::prune_images call);

// exchange_upload.cpp
void handle(connection& c, api::load_images call);
void handle(connection& c, api::import_image call);

// handlers_system.cpp
void handle(connection& c, api::ping call);
void handle(connection& c, api::options_any call);
void handle(connection& c, api::get_version call);
void handle(connection& c, api::get_info call);

/// An event about an image: the id or reference it is about, and its name.
void publish_image_event(services& s, std::string action, const std::string& id, const std::string& name);
/// Id of an image by name or id, "" when there is none; descent is by layers: for the list filters.
api::list_context make_list_context(services& s);

} // namespace gantry::actors
