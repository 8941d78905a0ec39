// A stand-in for NVIDIA's driver, for tests of what calls it: memory of the device is memory of the
// host, kernels are those of a library that was compiled for the host. Every call that needs a
// current context fails without one, as the driver's does. NVIDIA's Python packages and NVRTC run
// on top of it as they are.
//
// DRIVER_KERNELS names a file with the symbols of kernels and their numbers, DRIVER_LIBRARY the
// library with `emulate(number, blocks, threads, arguments)`, DRIVER_LOG a file for what was done.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>

namespace {

using Code = int;
using Address = unsigned long long;
constexpr Code OK = 0, BAD_VALUE = 1, BAD_DEVICE = 101, BAD_IMAGE = 200, NO_CONTEXT = 201;
constexpr Code NOT_FOUND = 500;

void* const CONTEXT = reinterpret_cast<void*>(0x1000);
void* const LIBRARY = reinterpret_cast<void*>(0x2000);
int depth = 0;
void* const CAPTURED = reinterpret_cast<void*>(99);

using Emulate = void (*)(int, unsigned, unsigned, const void*);

struct Kernels {
    std::map<std::string, int> numbers;
    Emulate emulate = nullptr;

    Kernels() {
        std::ifstream table(std::getenv("DRIVER_KERNELS"));
        std::string name;
        for (int number = 0; table >> name >> number;) {
            numbers[name] = number;
        }
        void* library = dlopen(std::getenv("DRIVER_LIBRARY"), RTLD_NOW);
        emulate = reinterpret_cast<Emulate>(dlsym(library, "emulate"));
    }
};

Kernels& kernels() {
    static Kernels made;
    return made;
}

void note(const std::string& what) {
    std::ofstream(std::getenv("DRIVER_LOG"), std::ios::app) << what << "\n";
}

Code with_context() { return depth > 0 ? OK : NO_CONTEXT; }

std::string in(void* stream) { return " in " + std::to_string(reinterpret_cast<Address>(stream)); }

}  // namespace

extern "C" {

Code cuInit(unsigned) { return OK; }

Code cuDriverGetVersion(int* version) {
    *version = 13000;
    return OK;
}

Code cuGetExportTable(const void** table, const void*) {
    *table = nullptr;
    return NOT_FOUND;
}

Code cuDeviceGet(int* device, int number) {
    *device = number;
    return number < 2 ? OK : BAD_DEVICE;
}

Code cuDeviceGetAttribute(int* value, int what, int) {
    *value = what == 75 ? 9 : what == 76 ? 0 : what == 16 ? 3 : 1;
    return OK;
}

Code cuDevicePrimaryCtxRetain(void** context, int) {
    *context = CONTEXT;
    return OK;
}

Code cuCtxPushCurrent_v2(void* context) {
    depth += 1;
    return context == CONTEXT ? OK : NO_CONTEXT;
}

Code cuCtxPopCurrent_v2(void** context) {
    if (context != nullptr) {
        *context = CONTEXT;
    }
    return depth-- > 0 ? OK : NO_CONTEXT;
}

Code cuCtxGetCurrent(void** context) {
    *context = depth > 0 ? CONTEXT : nullptr;
    return OK;
}

Code cuCtxGetDevice(int* device) {
    *device = 0;
    return with_context();
}

Code cuMemAlloc_v2(Address* memory, size_t size) {
    void* made = std::aligned_alloc(256, (size + 255) / 256 * 256);
    std::memset(made, 0xa5, size);
    *memory = reinterpret_cast<Address>(made);
    note("allocate");
    return with_context();
}

Code cuMemFree_v2(Address memory) {
    std::free(reinterpret_cast<void*>(memory));
    note("free");
    return with_context();
}

Code cuMemsetD8Async(Address memory, unsigned char value, size_t size, void*) {
    std::memset(reinterpret_cast<void*>(memory), value, size);
    return with_context();
}

Code cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t size, void* stream) {
    std::memcpy(reinterpret_cast<void*>(to), from, size);
    note("write");
    return stream == CAPTURED ? BAD_VALUE : with_context();
}

Code cuMemcpyDtoHAsync_v2(void* to, Address from, size_t size, void* stream) {
    std::memcpy(to, reinterpret_cast<void*>(from), size);
    note("read");
    return stream == CAPTURED ? BAD_VALUE : with_context();
}

Code cuStreamSynchronize(void* stream) {
    note("wait");
    return stream == CAPTURED ? BAD_VALUE : with_context();
}

Code cuStreamIsCapturing(void* stream, int* status) {
    *status = stream == CAPTURED;
    return with_context();
}

Code cuLibraryLoadData(void** library, const void* code, void*, void*, unsigned, void*, void*,
                       unsigned) {
    *library = LIBRARY;
    note("load");
    return std::memcmp(code, "\177ELF", 4) == 0 ? OK : BAD_IMAGE;
}

Code cuLibraryUnload(void*) { return OK; }

Code cuLibraryGetKernel(void** kernel, void* library, const char* name) {
    const auto found = kernels().numbers.find(name);
    if (found == kernels().numbers.end() || library != LIBRARY) {
        return NOT_FOUND;
    }
    *kernel = const_cast<std::string*>(&found->first);
    return OK;
}

Code cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void* kernel, int threads, size_t) {
    *blocks = 2;
    return kernel != nullptr && threads == 256 ? with_context() : BAD_VALUE;
}

Code cuLaunchKernel(void* kernel, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty,
                    unsigned tz, unsigned shared, void* stream, void** arguments, void** extra) {
    const bool flat = y == 1 && z == 1 && ty == 1 && tz == 1 && shared == 0 && extra == nullptr;
    if (with_context() != OK || !flat || kernel == nullptr) {
        return BAD_VALUE;
    }
    const std::string& name = *static_cast<std::string*>(kernel);
    note("launch " + name + " " + std::to_string(x) + in(stream));
    if (stream != CAPTURED) {
        kernels().emulate(kernels().numbers.at(name), x, threads, arguments[0]);
    }
    return OK;
}

Code cuGetErrorString(Code code, const char** text) {
    *text = code == BAD_DEVICE ? "invalid device ordinal" : "an error";
    return OK;
}

Code cuGetErrorName(Code, const char** text) {
    *text = "CUDA_ERROR";
    return OK;
}

Code cuGetProcAddress_v2(const char* symbol, void** function, int, unsigned long long,
                         int* status) {
    static void* self = [] {
        Dl_info info;
        dladdr(reinterpret_cast<void*>(&cuInit), &info);
        return dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    }();
    for (const char* version : {"_v2", ""}) {
        *function = dlsym(self, (std::string(symbol) + version).c_str());
        if (*function != nullptr) {
            break;
        }
    }
    if (status != nullptr) {
        *status = *function == nullptr;
    }
    return *function == nullptr ? NOT_FOUND : OK;
}
}
