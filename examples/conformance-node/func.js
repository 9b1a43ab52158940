// What the conformance harness asks of a function: docs/conformance/function.md, a line each.
const fdk = require('@fnproject/fdk')

const MARK = 'conformance\n'

fdk.handle(async function (input, ctx) {
  const first = (name) => [ctx.getHeader(name)].flat()[0]
  if (first('Conformance-Unread')) {
    return 'unread'
  }
  const text = input.toString('latin1')
  if (!text.startsWith(MARK)) {
    ctx.responseContentType = first('Content-Type') || 'application/octet-stream'
    return fdk.rawResult(input)
  }
  let result = 'done'
  for (const order of text.slice(MARK.length).split('\n').filter(Boolean)) {
    const word = order.split(' ', 1)[0]
    const rest = order.slice(word.length + 1)
    switch (word) {
      case 'bytes': result = fdk.rawResult(Buffer.from([0, 1, 2])); break
      case 'fail': throw new Error(rest)
      case 'header': {
        const [name, ...value] = rest.split(' ')
        // The kit's own words for it differ between a plain call and a gateway's.
        const gateway = first('Fn-Intent') === 'httprequest'
        if (gateway) ctx.httpGateway.addResponseHeader(name, value.join(' '))
        else ctx.addResponseHeader(name, value.join(' '))
        break
      }
      case 'json': result = {}; break
      case 'nothing': result = null; break
      case 'panic': result = undefined.nothing; break
      case 'print': console.log(rest); console.error(rest); break
      case 'report': result = report(ctx); break
      case 'sleep': await new Promise((resolve) => setTimeout(resolve, Number(rest))); break
      case 'status': ctx.httpGateway.statusCode = Number(rest); break
      case 'text': result = 'text'; break
      case 'type': ctx.responseContentType = rest; break
      default: throw new Error(`${word} is no order`)
    }
  }
  return result
}, { inputMode: 'buffer' })

function report (ctx) {
  const gateway = [ctx.getHeader('Fn-Intent')].flat()[0] === 'httprequest'
  const headers = gateway ? ctx.httpGateway.headers : ctx.headers
  const trace = ctx.tracingContext
  return {
    call_id: ctx.callID,
    deadline: ctx.deadline,
    method: gateway ? ctx.httpGateway.method : 'POST',
    url: gateway ? ctx.httpGateway.requestURL : '',
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()])),
    app_id: ctx.appID,
    fn_id: ctx.fnID,
    memory: ctx.memory,
    greeting: ctx.config.CONFORMANCE_GREETING,
    trace_id: trace && trace.isEnabled ? trace.traceId : null
  }
}
