// make_fuzz_corpus DIRECTORY: writes small valid files of each format, for the fuzzers to begin with, into directories
// named after the formats.

#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "saw/autograd/ops/creation.h"
#include "saw/data/audio/audio.h"
#include "saw/data/file.h"
#include "saw/data/npy.h"
#include "saw/data/pytorch.h"
#include "saw/data/safetensors.h"

namespace {

using namespace saw;
namespace files = std::filesystem;

StateDict varied_state() {
  const Tensor base = arange(6.0).reshape({2, 3});
  return {{"base", base},
          {"transposed", base.transpose(0, 1)},
          {"ids", tensor(std::vector<std::int64_t>{-1, 5})},
          {"mask", tensor(std::vector<bool>{true, false, true})},
          {"scalar", scalar(3.5, float64)},
          {"empty", zeros({0, 3})}};
}

// What other programs wrote is a part of the tests.
void copy_golden(const char* suffix, const files::path& directory) {
  for (const auto& entry : files::directory_iterator(SAW_GOLDEN_DIRECTORY)) {
    if (entry.path().extension() == suffix)
      files::copy_file(entry.path(), directory / entry.path().filename(), files::copy_options::overwrite_existing);
  }
}

void make_pytorch(const files::path& directory) {
  data::save_pytorch(directory / "tensor.saw", arange(6.0).reshape({2, 3}));
  data::save_pytorch(directory / "state.saw", varied_state());
  data::save_pytorch(directory / "empty.saw", StateDict{});
  copy_golden(".pt", directory);
}

void make_safetensors(const files::path& directory) {
  data::save_safetensors(directory / "state", varied_state(), {{"format", "pt"}});
  data::save_safetensors(directory / "empty", {});
  const auto one = [&](const char* dtype, int bytes) {
    const std::string header = std::string("{\"x\":{\"dtype\":\"") + dtype + "\",\"shape\":[1,1],\"data_offsets\":[0," +
                               std::to_string(bytes) + "]}}";
    const std::uint64_t length = header.size();
    std::string file(sizeof length, '\0');
    std::memcpy(file.data(), &length, sizeof length);
    data::write_file(directory / dtype, file + header + std::string(static_cast<std::size_t>(bytes), '\1'));
  };
  for (const char* dtype : {"I8", "U8", "BOOL"}) one(dtype, 1);
  for (const char* dtype : {"F16", "BF16", "I16", "U16"}) one(dtype, 2);
  for (const char* dtype : {"F32", "I32", "U32"}) one(dtype, 4);
  for (const char* dtype : {"F64", "I64", "U64"}) one(dtype, 8);
}

void make_npy(const files::path& directory) {
  for (const auto& [name, tensor] : varied_state()) data::save_npy(directory / (name + ".npy"), tensor);
  data::save_npz(directory / "state.npz", varied_state());
  copy_golden(".npy", directory);
  copy_golden(".npz", directory);
}

template <class T>
std::string bytes_of(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// A WAV file of that codec, with `content` as its samples.
std::string wav(std::uint16_t codec, std::uint16_t channels, std::uint16_t bits, const std::string& content) {
  const std::uint32_t rate = 16000;
  const auto frame = static_cast<std::uint16_t>(channels * bits / 8);
  const std::string format =
      bytes_of(codec) + bytes_of(channels) + bytes_of(rate) + bytes_of(rate * frame) + bytes_of(frame) + bytes_of(bits);
  const std::string chunks = "WAVEfmt " + bytes_of(static_cast<std::uint32_t>(format.size())) + format + "data" +
                             bytes_of(static_cast<std::uint32_t>(content.size())) + content;
  return "RIFF" + bytes_of(static_cast<std::uint32_t>(chunks.size())) + chunks;
}

void make_wav(const files::path& directory) {
  std::vector<float> samples(64);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = std::sin(0.3F * static_cast<float>(i));
  data::write_wav(directory / "sine", {tensor(samples), 16000});
  constexpr std::uint16_t pcm = 1, floating = 3, a_law = 6, mu_law = 7;
  const std::string content(24, '\1');
  for (const std::uint16_t bits : {8, 16, 24, 32})
    data::write_file(directory / ("pcm" + std::to_string(bits)), wav(pcm, 1, bits, content));
  data::write_file(directory / "stereo", wav(pcm, 2, 16, content));
  data::write_file(directory / "float", wav(floating, 1, 32, content));
  data::write_file(directory / "double", wav(floating, 1, 64, content));
  const std::string list = "LIST" + bytes_of(std::uint32_t{8}) + "INFOISFT";
  std::string listed = wav(pcm, 1, 16, content);
  listed.insert(listed.find("data"), list);
  data::write_file(directory / "list", listed);
  data::write_file(directory / "a_law", wav(a_law, 1, 8, content));
  data::write_file(directory / "mu_law", wav(mu_law, 1, 8, content));
}

void make_table(const files::path& directory) {
  data::write_file(directory / "csv",
                   "\xEF\xBB\xBF"
                   "id,text\r\n1,\"a, \"\"b\"\"\r\nc\"\r\n2,\r\n");
  data::write_file(directory / "tsv", "label\ttext\npos\t\"good\r\n\nneg\t-1.5e3\n");
  data::write_file(directory / "jsonl", "{\"id\": 1, \"text\": \"a\\u00e9\", \"x\": [1.5, {\"y\": null}]}\n\n{}\n");
  data::write_file(directory / "vectors", "2 3\nsaw 1 2 -3e-1\n. . 4 5 6\n");
  data::write_file(directory / "vocabulary", "\\padding\n\\unknown\n\\special x\nsaw\na\\tb\n");
}

void make_text(const files::path& directory) {
  const std::string rest = "\t_\t_\t_\t_\t_\t_\n";
  data::write_file(directory / "conllu", "# sent_id = 1\n# text = I can't.\n1\tI\t_\tPRON" + rest +
                                             "2-3\tcan't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n2\tca\t_\tAUX" + rest +
                                             "3\tn't\t_\tPART" + rest + "3.1\tgo\t_\tVERB" + rest + "4\t.\t_\tPUNCT" +
                                             rest + "\n");
  data::write_file(directory / "windows",
                   "\xEF\xBB\xBF"
                   "1\tStop\t_\tVERB\t_\t_\t_\t_\t_\t_\r\n\r\n");
  data::write_file(directory / "lines", "one\n\ntwo\r\n" + std::string(30, 'x') + "\nlast");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_fuzz_corpus DIRECTORY\n");
    return 1;
  }
  try {
    const auto fill = [&](const char* format, auto&& make) {
      const files::path directory = files::path(argv[1]) / format;
      files::create_directories(directory);
      make(directory);
    };
    fill("pytorch", make_pytorch);
    fill("safetensors", make_safetensors);
    fill("npy", make_npy);
    fill("table", make_table);
    fill("text", make_text);
    fill("wav", make_wav);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_fuzz_corpus: %s\n", error.what());
    return 1;
  }
  return 0;
}
