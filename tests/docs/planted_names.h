#pragma once

#include <vector>

namespace planted {

/// Commented, and so are the overloads below.
int commented(int x);
int commented(double x);
int commented(const std::vector<int>& x);
int another(int x);  // missing

int commented(long x);  // missing

enum class Colour {  // missing
  red,               ///< a commented value
};

/// A commented one with a value that is not.
enum class Size { small };  // missing

struct Options {            // missing
  int commented = 0;        ///< a commented field
  int uncommented = 0;      // missing
  int left = 0, right = 0;  ///< two in one line
};

using Numbers = std::vector<int>;  // missing
inline constexpr int limit = 8;    // missing

/// Its only constructor needs none, nor do the others that say everything themselves.
class Complete {
 public:
  explicit Complete(int size) : size_(size) {}
  Complete(const Complete&) = default;
  Complete& operator=(const Complete&) { return *this; }
  virtual ~Complete() = default;
  int* begin() { return &size_; }
  int* end() { return &size_ + 1; }
  friend bool operator==(const Complete& a, const Complete& b) { return a.size_ == b.size_; }
  /// What is overridden.
  virtual int size() const { return size_; }

 protected:
  int hidden() const { return size_; }  // missing

 private:
  int size_;
};

/// Two constructors, which one cannot tell apart without being told.
class Incomplete : public Complete {
 public:
  explicit Incomplete(int size) : Complete(size) {}  // missing
  /// From two.
  Incomplete(int a, int b) : Complete(a + b) {}
  int size() const override { return 1; }
  int twice() const { return 2; }  // missing
  /// What is found.
  template <class T>
  T found() const;
  template <class T>
  T lost() const;  // missing
};

}  // namespace planted
