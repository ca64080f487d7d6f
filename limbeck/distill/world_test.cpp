#include "limbeck/distill/world.h"

#include <gtest/gtest.h>

#include <map>

#include "limbeck/base/error.h"

namespace limbeck::distill {
namespace {

using Variables = std::map<std::string, std::string>;

World world(const Variables& variables) {
  return read_world([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

std::string refused(const Variables& variables) {
  try {
    world(variables);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "taken";
}

TEST(World, OneProcessIsAlone) {
  EXPECT_EQ(world({}).size, 1);
  EXPECT_EQ(world({{"RANK", "0"}, {"WORLD_SIZE", "1"}}).size, 1);
}

TEST(World, Torchrun) {
  const World w = world({{"RANK", "5"},
                         {"WORLD_SIZE", "8"},
                         {"LOCAL_RANK", "1"},
                         {"LOCAL_WORLD_SIZE", "4"},
                         {"MASTER_ADDR", "node1"},
                         {"MASTER_PORT", "1234"},
                         {"LIMBECK_RANK_TIMEOUT", "20"}});
  EXPECT_EQ(w.rank, 5);
  EXPECT_EQ(w.size, 8);
  EXPECT_EQ(w.local_rank, 1);
  EXPECT_EQ(w.local_size, 4);
  EXPECT_EQ(w.address, "node1");
  EXPECT_EQ(w.port, 1234);
  EXPECT_EQ(w.timeout_s, 20);
}

TEST(World, TorchrunsOwnPortIsLeftToIt) {
  EXPECT_EQ(world({{"RANK", "0"},
                   {"WORLD_SIZE", "2"},
                   {"MASTER_ADDR", "a"},
                   {"MASTER_PORT", "1234"},
                   {"TORCHELASTIC_USE_AGENT_STORE", "True"}})
                .port,
            1235);
}

TEST(World, ByHandOnOneMachine) {
  const World w = world({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "127.0.0.1"}});
  EXPECT_EQ(w.local_rank, 1);
  EXPECT_EQ(w.local_size, 2);
  EXPECT_EQ(w.port, 29500);
}

TEST(World, OpenMpiOnOneMachineNeedsNoAddress) {
  Variables mpi = {{"OMPI_COMM_WORLD_RANK", "1"},
                   {"OMPI_COMM_WORLD_SIZE", "2"},
                   {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                   {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
  EXPECT_EQ(world(mpi).address, "127.0.0.1");
  mpi.insert_or_assign("OMPI_COMM_WORLD_LOCAL_SIZE", std::string(1, '1'));
  EXPECT_NE(refused(mpi).find("MASTER_ADDR"), std::string::npos);
}

TEST(World, SlurmStepsOnly) {
  Variables slurm = {{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}};
  EXPECT_EQ(world(slurm).size, 1);  // the batch script itself
  slurm.insert({{"SLURM_STEP_NUM_TASKS", "4"},
                {"SLURM_LOCALID", "0"},
                {"SLURM_STEP_TASKS_PER_NODE", "2(x2)"},
                {"SLURM_LAUNCH_NODE_IPADDR", "10.0.0.1"},
                {"SLURM_JOB_ID", "1234567"}});
  const World w = world(slurm);
  EXPECT_EQ(w.size, 4);
  EXPECT_EQ(w.local_size, 2);
  EXPECT_EQ(w.address, "10.0.0.1");
  EXPECT_EQ(w.port, 24567);
}

TEST(World, RefusesHalfAnEnvironment) {
  EXPECT_EQ(refused({{"RANK", "1"}}), "RANK is set and WORLD_SIZE is not");
  EXPECT_EQ(refused({{"WORLD_SIZE", "2"}}), "WORLD_SIZE is set and RANK is not");
  EXPECT_NE(refused({{"RANK", "2"}, {"WORLD_SIZE", "2"}}).find("below"), std::string::npos);
  EXPECT_NE(refused({{"RANK", "one"}, {"WORLD_SIZE", "2"}}).find("'one'"), std::string::npos);
  EXPECT_NE(refused({{"RANK", "0"}, {"WORLD_SIZE", "2"}}).find("MASTER_ADDR"), std::string::npos);
  EXPECT_NE(
      refused({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "0"}})
          .find("MASTER_PORT"),
      std::string::npos);
}

}  // namespace
}  // namespace limbeck::distill
