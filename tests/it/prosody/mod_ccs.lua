-- Makes an ordinary XMPP host take what FCM's clients send: pushes without an address go to the component that plays the provider,
-- and a login may be written as sender_id@domain.

local base64 = require "util.encodings".base64;
local component = module:get_option_string("ccs_component");

module:hook("pre-message/bare", function(event)
	local stanza = event.stanza;
	if stanza.attr.to == nil and stanza:get_child("gcm", "google:mobile:data") then
		stanza.attr.to = component;
		module:send(stanza);
		return true;
	end
end, 100);

module:hook("stanza/urn:ietf:params:xml:ns:xmpp-sasl:auth", function(event)
	local stanza = event.stanza;
	local plain = base64.decode(stanza:get_text() or "");
	local authzid, authcid, password = (plain or ""):match("^([^%z]*)%z([^%z]*)%z(.*)$");
	local node = authcid and authcid:match("^(.*)@" .. module.host:gsub("%p", "%%%0") .. "$");
	if node then
		for index = #stanza, 1, -1 do stanza[index] = nil; end
		stanza:text(base64.encode(authzid .. "\0" .. node .. "\0" .. password));
	end
end, 100);
