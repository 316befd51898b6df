#include "saw/autograd/base/module_scope.h"

namespace saw {
namespace {
thread_local const std::function<std::string()>* module_path = nullptr;
}  // namespace

ModuleScope::ModuleScope(const std::function<std::string()>* path) : saved_(module_path) { module_path = path; }
ModuleScope::~ModuleScope() { module_path = saved_; }
const std::function<std::string()>* ModuleScope::current() { return module_path; }

std::string current_module_path() { return module_path != nullptr ? (*module_path)() : std::string(); }

}  // namespace saw
