// The requests of one call to an endpoint teacher.
#pragma once

#include <string>
#include <vector>

#include "limbeck/teacher/endpoint_pace.h"

namespace limbeck {

// Posts each body until it is answered and delivers the answers as they come, on this thread.
// Throws as Teacher::answer.
void ask_endpoint(const EndpointOptions& options, const LabelRequest& request, Pace& pace,
                  const std::vector<std::string>& bodies, const Teacher::Deliver& deliver);

}  // namespace limbeck
