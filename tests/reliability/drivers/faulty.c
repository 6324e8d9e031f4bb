/* A driver of OpenCL with one fault: another, some of whose functions are replaced.

   cc -shared -fPIC -DFAULT=HANGS_AT_RUN -DNAME='"…"' -DREAL='"/…/libpocl.so"' faulty.c

   A loader gets a driver's functions from a table to which each of its objects points,
   in the order of cl_icd.h. Each time this one is loaded, it writes its name to
   $FAULTS_LOG. */

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    NO_FAULT, EXITS_AT_LOAD, HANGS_AT_LOAD, REFUSES_TO_COMPILE, ABORTS_AT_COMPILING,
    ABORTS_WHERE_WIDE, FINITE_MATH, CRASHES_AT_RUN, HANGS_AT_RUN, SKIPS_KERNELS,
    READS_WRONG
};
enum { INFO = 3, BUILD = 30, READ = 48, LAUNCH = 59, MARKER = 62, ENTRIES = 63 };

typedef int Info(void *, unsigned, size_t, void *, size_t *);
typedef int Build(void *, unsigned, const void *, const char *, void *, void *);
typedef int Read(void *, void *, unsigned, size_t, size_t, void *, unsigned,
                 const void *, void *);
typedef int Launch(void *, void *, unsigned, const size_t *, const size_t *,
                   const size_t *, unsigned, const void *, void *);
typedef int Marker(void *, void *);
typedef int Platforms(unsigned, void **, unsigned *);
typedef void *Address(const char *);

static void *real[ENTRIES]; /* the table as it was */
static Address *address;
static int launches;

static void say(const char *text) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0) abort();
}

/* Never answer; a child, as a driver's compiler may be one, does not either. */
static void hang(void) {
    fork();
    for (;;) pause();
}

__attribute__((constructor)) static void load(void) {
    const char *path = getenv("FAULTS_LOG");
    int log = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0644) : -1;
    if (log >= 0 && write(log, NAME "\n", strlen(NAME) + 1) > 0) close(log);
    if (FAULT == EXITS_AT_LOAD) {
        say("no licence was found\n");
        _exit(3);
    }
    if (FAULT == HANGS_AT_LOAD) hang();
    /* So a test can take the device from a PoCL beside it, and not from this. */
    setenv("POCL_DEVICES", "pthread", 1);
    void *driver = dlopen(REAL, RTLD_NOW | RTLD_LOCAL);
    if (driver) address = (Address *)dlsym(driver, "clGetExtensionFunctionAddress");
}

/* Registers of 512 bits, on any machine. */
static int info(void *device, unsigned what, size_t bytes, void *to, size_t *needed) {
    int code = ((Info *)real[INFO])(device, what, bytes, to, needed);
    int floats = what == 0x103A; /* CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT */
    if (FAULT == ABORTS_WHERE_WIDE && floats && to) *(unsigned *)to = 16;
    return code;
}

static int build(void *program, unsigned n, const void *devices, const char *options,
                 void *call, void *data) {
    char all[4096] = "-cl-finite-math-only ";
    if (FAULT == REFUSES_TO_COMPILE) return -11; /* CL_BUILD_PROGRAM_FAILURE */
    int wide = options && strstr(options, "-DLANES=16");
    if (FAULT == ABORTS_AT_COMPILING || (FAULT == ABORTS_WHERE_WIDE && wide)) {
        say("LLVM ERROR: Cannot select: a thing\n");
        abort();
    }
    if (FAULT == FINITE_MATH && options)
        options = strncat(all, options, sizeof all - strlen(all) - 1);
    return ((Build *)real[BUILD])(program, n, devices, options, call, data);
}

static int launch(void *queue, void *kernel, unsigned n, const size_t *first,
                  const size_t *size, const size_t *group, unsigned waits,
                  const void *wait, void *event) {
    if (FAULT == CRASHES_AT_RUN) raise(SIGSEGV);
    if (FAULT == HANGS_AT_RUN) hang();
    if (FAULT == SKIPS_KERNELS && ++launches % 5 == 0)
        return ((Marker *)real[MARKER])(queue, event);
    return ((Launch *)real[LAUNCH])(queue, kernel, n, first, size, group, waits, wait,
                                    event);
}

/* The middle one of the floats is 0.02 too large. */
static int read_buffer(void *queue, void *buffer, unsigned blocking, size_t from,
                       size_t bytes, void *to, unsigned waits, const void *wait,
                       void *event) {
    int code = ((Read *)real[READ])(queue, buffer, 1, from, bytes, to, waits, wait, event);
    if (FAULT == READS_WRONG && code == 0) ((float *)to)[bytes / 8] += 0.02f;
    return code;
}

static int platforms(unsigned n, void **found, unsigned *number) {
    int code = ((Platforms *)address("clIcdGetPlatformIDsKHR"))(n, found, number);
    if (code != 0 || !found || real[BUILD]) return code;
    void **table = *(void ***)found[0];
    uintptr_t page = (uintptr_t)table & ~(uintptr_t)4095;
    mprotect((void *)page, (uintptr_t)(table + ENTRIES) - page, PROT_READ | PROT_WRITE);
    memcpy(real, table, sizeof real);
    table[INFO] = (void *)info;
    table[BUILD] = (void *)build;
    table[READ] = (void *)read_buffer;
    table[LAUNCH] = (void *)launch;
    return code;
}

void *clGetExtensionFunctionAddress(const char *name) {
    if (!address) return NULL;
    return strcmp(name, "clIcdGetPlatformIDsKHR") ? address(name) : (void *)platforms;
}
