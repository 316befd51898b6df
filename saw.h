#pragma once

// saw/saw.h: all of saw. Each room can also be included by itself, header by header.
