// Prints the verdict on each document of a file, a line each: verdicts COMPONENT DOCUMENTS.
// It is also C++, in which a `void *` is not converted implicitly.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasmtime.h>

static void check(wasmtime_error_t *error) {
  if (error == NULL) return;
  wasm_name_t message;
  wasmtime_error_message(error, &message);
  fprintf(stderr, "%.*s\n", (int)message.size, message.data);
  exit(1);
}

// The whole of a file, which the caller frees.
static char *contents(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  *length = (size_t)ftell(file);
  rewind(file);
  char *bytes = (char *)malloc(*length);
  if (bytes == NULL || fread(bytes, 1, *length, file) != *length) {
    perror(path);
    exit(1);
  }
  fclose(file);
  return bytes;
}

static wasmtime_context_t *context;
static wasmtime_component_func_t extract_json;

// A string of the Component Model is bytes with a length, without a NUL at the end.
static void print_verdict(char *document, size_t length) {
  wasmtime_component_val_t argument, verdict;
  argument.kind = WASMTIME_COMPONENT_STRING;
  argument.of.string.size = length;
  argument.of.string.data = document;
  check(wasmtime_component_func_call(&extract_json, context, &argument, 1, &verdict, 1));
  fwrite(verdict.of.string.data, 1, verdict.of.string.size, stdout);
  putchar('\n');
  wasmtime_component_val_delete(&verdict);
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  size_t length;
  char *bytes = contents(arguments[1], &length);
  wasm_engine_t *engine = wasm_engine_new();
  wasmtime_component_t *component;
  check(wasmtime_component_new(engine, (uint8_t *)bytes, length, &component));
  free(bytes);

  // A store holds instances, and belongs to one thread at a time. There is nothing to import.
  wasmtime_store_t *store = wasmtime_store_new(engine, NULL, NULL);
  context = wasmtime_store_context(store);
  wasmtime_component_linker_t *linker = wasmtime_component_linker_new(engine);
  wasmtime_component_instance_t instance;
  check(wasmtime_component_linker_instantiate(linker, context, component, &instance));

  const char *interface = "arc:recording/extraction@0.1.0", *name = "extract-json";
  wasmtime_component_export_index_t *extraction = wasmtime_component_get_export_index(
      component, NULL, interface, strlen(interface));
  wasmtime_component_export_index_t *function = wasmtime_component_get_export_index(
      component, extraction, name, strlen(name));
  if (function == NULL ||
      !wasmtime_component_instance_get_func(&instance, context, function, &extract_json)) {
    fprintf(stderr, "the component has no %s in %s\n", name, interface);
    return 1;
  }

  char *documents = contents(arguments[2], &length);
  for (char *document = documents, *end = documents + length; document < end;) {
    char *newline = (char *)memchr(document, '\n', (size_t)(end - document));
    size_t size = (size_t)((newline == NULL ? end : newline) - document);
    print_verdict(document, size);
    document += size + 1;
  }

  free(documents);
  wasmtime_component_export_index_delete(function);
  wasmtime_component_export_index_delete(extraction);
  wasmtime_component_linker_delete(linker);
  wasmtime_component_delete(component);
  wasmtime_store_delete(store);
  wasm_engine_delete(engine);
  return 0;
}
