// Code books of the formats whose codes are not evenly spaced.
#pragma once

#include <cstdint>

namespace limbeck {

// IQ4_NL and IQ4_XS.
inline constexpr std::int8_t kLevelsIq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};
// MXFP4: twice the E2M1 values 0, .5, 1, 1.5, 2, 3, 4, 6 and their negatives.
inline constexpr std::int8_t kLevelsMxfp4[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                                 0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace limbeck
