"""A server on this machine that answers like the APIs of OpenAI and Anthropic, with usage at random."""

import collections
import json
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: A prompt that the server refuses contains this text.
REFUSED = "refuse this"

ANSWER = "It is 21 degrees in Paris."


def arguments(schema):
    """Returns arguments of a tool as JSON text."""
    values = {"boolean": True, "number": 1.0, "integer": 1}
    properties = schema.get("properties", {})
    return json.dumps({name: values.get(properties[name].get("type"), "Paris") for name in schema.get("required", [])})


class ModelServer:
    """Serves in a thread. A request with tools is answered with a call of the first one, and with a text once
    it has the result. `tokens` is the sum of the usage in all answers, by the model of the request."""

    def __init__(self, seed, reasons=True):
        self.source, self.tokens, self.reasons = random.Random(seed), collections.Counter(), reasons
        model_server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status, kind, body = model_server.answer(self.path, request)
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path, request):
        if REFUSED in json.dumps(request):
            error = {"message": "the prompt was refused", "type": "invalid_request_error", "code": "refused"}
            return 400, "application/json", json.dumps({"type": "error", "error": error}).encode()
        kinds = {"/chat/completions": self.chat, "/responses": self.responses, "/messages": self.messages,
                 "/embeddings": self.embeddings}
        [answer] = [answer for ending, answer in kinds.items() if path.split("?")[0].endswith(ending)]
        answer = answer(request)
        if isinstance(answer, str):
            return 200, "text/event-stream", answer.encode()
        return 200, "application/json", json.dumps(answer).encode()

    def usage(self, request):
        """Returns tokens of the prompt, of these read from a cache, of the completion, of these of reasoning."""
        prompt, completion = self.source.randrange(100, 2_000), self.source.randrange(10, 300)
        self.tokens[request["model"]] += prompt + completion
        return prompt, self.source.randrange(0, 100), completion, self.source.randrange(0, 10) * self.reasons

    def chat(self, request):
        prompt, cached, completion, reasoning = self.usage(request)
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
                 "prompt_tokens_details": {"cached_tokens": cached},
                 "completion_tokens_details": {"reasoning_tokens": reasoning}}
        last = request["messages"][-1]
        message, reason = {"role": "assistant", "content": ANSWER}, "stop"
        if request.get("tools") and last["role"] != "tool":
            function = request["tools"][0]["function"]
            called = {"name": function["name"], "arguments": arguments(function["parameters"])}
            call = {"id": "call_1", "type": "function", "index": 0, "function": called}
            message, reason = {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
        base = {"id": "chatcmpl-1", "created": 1_790_000_000, "model": request["model"] + "-2024-07-18"}
        if not request.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
            return base | {"object": "chat.completion", "choices": [choice], "usage": usage}
        chunks = [{"choices": [{"index": 0, "delta": message, "finish_reason": None}]},
                  {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
                  {"choices": [], "usage": usage}]
        lines = [json.dumps(base | {"object": "chat.completion.chunk"} | chunk) for chunk in chunks]
        return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"])

    def responses(self, request):
        prompt, cached, completion, reasoning = self.usage(request)
        usage = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion,
                 "input_tokens_details": {"cached_tokens": cached},
                 "output_tokens_details": {"reasoning_tokens": reasoning}}
        last = request["input"][-1] if isinstance(request["input"], list) else {}
        output = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                  "content": [{"type": "output_text", "text": ANSWER, "annotations": []}]}
        if request.get("tools") and last.get("type") != "function_call_output":
            output = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed",
                      "name": request["tools"][0]["name"], "arguments": arguments(request["tools"][0]["parameters"])}
        return {"id": "resp_1", "object": "response", "created_at": 1_790_000_000, "status": "completed",
                "model": request["model"] + "-2024-07-18", "output": [output], "usage": usage,
                "parallel_tool_calls": True, "tool_choice": "auto", "tools": request.get("tools", []),
                "error": None, "incomplete_details": None, "instructions": None, "metadata": {}}

    def messages(self, request):
        prompt, cached, completion, _ = self.usage(request)
        written = self.source.randrange(0, 100)
        self.tokens[request["model"]] += cached + written
        # Here the cached tokens are not among those of the prompt.
        usage = {"input_tokens": prompt, "cache_read_input_tokens": cached, "cache_creation_input_tokens": written,
                 "output_tokens": completion}
        last = request["messages"][-1]["content"]
        content, reason = [{"type": "text", "text": ANSWER}], "end_turn"
        if request.get("tools") and not (isinstance(last, list) and last[0].get("type") == "tool_result"):
            content, reason = [{"type": "tool_use", "id": "call_1", "name": request["tools"][0]["name"],
                                "input": {"city": "Paris"}}], "tool_use"
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": request["model"], "content": content,
                "stop_reason": reason, "stop_sequence": None, "usage": usage}

    def embeddings(self, request):
        prompt = self.source.randrange(1, 50)
        self.tokens[request["model"]] += prompt
        embedding = {"object": "embedding", "index": 0, "embedding": [0.1, 0.2, 0.3]}
        return {"object": "list", "model": request["model"], "data": [embedding],
                "usage": {"prompt_tokens": prompt, "total_tokens": prompt}}
