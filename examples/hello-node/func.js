const fdk = require('@fnproject/fdk')

// Greets whom the call names: {"name": "Ada"}.
fdk.handle(function (input) {
  return { message: 'Hello ' + (input && input.name ? input.name : 'World') }
})
