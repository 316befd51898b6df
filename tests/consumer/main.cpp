#include <saw/saw.h>

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

// A model of one's own: saved with what it takes to build it, and built from the file.
struct Classifier : saw::nn::Module {
  saw::nn::Linear& hidden;
  saw::nn::Linear& classes;
  Classifier(std::int64_t width, std::int64_t labels)
      : hidden(child<saw::nn::Linear>("hidden", 2, width)), classes(child<saw::nn::Linear>("classes", width, labels)) {}
  saw::Tensor forward(const saw::Tensor& x) { return classes.forward(tanh(hidden.forward(x))); }
};

// Whether a model that comes out of a file says the same as the one that was saved, on several threads at once.
bool model_file_works(const std::string& path, const saw::Tensor& x) {
  Classifier trained(8, 3);
  saw::train::save_model(path, {.model = "classifier",
                                .options = {{"width", 8}},
                                .parts = {{"labels", "a\nb\nc\n"}},
                                .weights = trained.state_dict()});
  const saw::train::ModelFile file = saw::train::load_model(path);
  std::remove(path.c_str());
  file.check_model({"classifier"});
  const auto labels = saw::data::Vocabulary::parse(file.part("labels"), file.part_name("labels"));
  Classifier model(file.integer("width"), labels.size());
  file.load_into(model);
  model.eval();

  const std::vector<float> expected = trained.forward(x).to_vector<float>();
  std::vector<std::vector<float>> results(3);
  std::vector<std::thread> threads;
  for (auto& result : results)
    threads.emplace_back([&] {
      const saw::NoGradGuard no_grad;
      for (int i = 0; i < 100; ++i) result = model.forward(x).to_vector<float>();
    });
  for (auto& thread : threads) thread.join();
  return std::count(results.begin(), results.end(), expected) == 3;
}

// What has to survive the way into another project: a model file, headers, libraries and what they link to (BLAS, SIMD,
// threads), the tape, and that an exception of saw's is caught as what it is.
int main() {
  const saw::Tensor x = saw::tensor({{1.0, 2.0}, {3.0, 4.0}});
  x.set_requires_grad(true);
  saw::matmul(x, x).sum().backward();
  // d sum(x·x) / dx[i][j] = (sum of row j of x) + (sum of column i of x)
  const std::vector<float> expected = {3.0F + 4.0F, 7.0F + 4.0F, 3.0F + 6.0F, 7.0F + 6.0F};
  if (x.grad().to_vector<float>() != expected) {
    fmt::print("wrong gradient: {}\n", x.grad());
    return 1;
  }

  if (!model_file_works("consumer_model.safetensors", x.detach())) {
    fmt::print("a model that was loaded says something else\n");
    return 1;
  }

  try {
    saw::matmul(x, saw::zeros({3, 2}));
  } catch (const saw::Error& error) {
    fmt::print("saw works here; the error it was asked for: {}\n", error.what());
    return error.kind() == saw::ErrorKind::shape ? 0 : 1;
  }
  fmt::print("no error for shapes that do not fit\n");
  return 1;
}
