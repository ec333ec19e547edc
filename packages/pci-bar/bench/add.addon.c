// A call from JavaScript into C with two arguments that does nothing but add them: the least that any addon costs.
#include <node_api.h>

static napi_value add(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2], sum;
  double a, b;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  napi_get_value_double(env, arguments[0], &a);
  napi_get_value_double(env, arguments[1], &b);
  napi_create_double(env, a + b, &sum);
  return sum;
}

static napi_value init(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "add", NAPI_AUTO_LENGTH, add, NULL, &function);
  napi_set_named_property(env, exports, "add", function);
  return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
