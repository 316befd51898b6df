#include <saw/saw.h>

int main() { return 0; }
