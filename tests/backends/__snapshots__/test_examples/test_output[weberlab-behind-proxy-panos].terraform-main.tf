# Written by policyc from behind-proxy.yaml. Do not edit: change the policy and build again.
# Address and key of the firewall or Panorama: PANOS_HOSTNAME, PANOS_API_KEY.
# Import the certificates first (import-certificates.sh): rules name them.

terraform {
  required_version = ">= 1.8"

  required_providers {
    panos = {
      source  = "PaloAltoNetworks/panos"
      version = "~> 2.0"
    }
  }
}

provider "panos" {}

resource "panos_administrative_tag" "policyc" {
  for_each = {
    policyc = {
      color    = "color3"
      comments = "Written by policyc from behind-proxy.yaml; change that"
    }
    weberlab_pi10 = {
      color    = "color3"
      comments = "behind-proxy.yaml: sites.pi10"
    }
  }
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  name     = each.key
  color    = each.value.color
  comments = each.value.comments
}

resource "panos_addresses" "policyc" {
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  addresses = {
    "weberlab_host-192-0-2-5" = {
      ip_netmask  = "192.0.2.5"
      description = "behind-proxy.yaml: targets.panos.proxies"
      tags        = ["policyc"]
    }
    "weberlab_host-192-0-2-10" = {
      ip_netmask  = "192.0.2.10"
      description = "behind-proxy.yaml: backends.pi10, sites.pi10"
      tags = [
        "policyc",
        "weberlab_pi10",
      ]
    }
  }
  depends_on = [panos_administrative_tag.policyc]
}

resource "panos_service" "policyc" {
  for_each = {
    "weberlab_tcp-443" = {
      protocol = {
        tcp = {
          destination_port = "443"
        }
      }
      description = "behind-proxy.yaml: backends.pi10, sites.pi10"
      tags = [
        "policyc",
        "weberlab_pi10",
      ]
    }
  }
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  name        = each.key
  protocol    = each.value.protocol
  description = each.value.description
  tags        = each.value.tags
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
  ]
}

resource "panos_decryption_profile" "policyc" {
  for_each = {
    "weberlab_backend-tls-1-2" = {
      ssl_inbound_proxy = {
        block_unsupported_version         = true
        block_unsupported_cipher          = true
        block_if_no_resource              = true
        block_if_hsm_unavailable          = true
        block_tls13_downgrade_no_resource = true
      }
      ssl_protocol_settings = {
        min_version                = "tls1-2"
        max_version                = "max"
        keyxchg_algo_rsa           = true
        keyxchg_algo_dhe           = true
        keyxchg_algo_ecdhe         = true
        enc_algo_3des              = false
        enc_algo_rc4               = false
        enc_algo_aes_128_cbc       = true
        enc_algo_aes_256_cbc       = true
        enc_algo_aes_128_gcm       = true
        enc_algo_aes_256_gcm       = true
        enc_algo_chacha20_poly1305 = true
        auth_algo_md5              = false
        auth_algo_sha1             = true
        auth_algo_sha256           = true
        auth_algo_sha384           = true
      }
    }
  }
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  name                  = each.key
  ssl_inbound_proxy     = each.value.ssl_inbound_proxy
  ssl_protocol_settings = each.value.ssl_protocol_settings
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
    panos_service.policyc,
  ]
}

resource "panos_decryption_policy_rules" "policyc" {
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  position = {
    where = "first"
  }
  rules = [
    {
      name                  = "weberlab_192-0-2-10-443"
      source_zones          = ["proxies"]
      destination_zones     = ["dmz"]
      source_addresses      = ["weberlab_host-192-0-2-5"]
      source_user           = ["any"]
      destination_addresses = ["weberlab_host-192-0-2-10"]
      services              = ["weberlab_tcp-443"]
      category              = ["any"]
      action                = "decrypt"
      type = {
        ssl_inbound_inspection = {
          certificates = ["weberlab_foobar-intern_2f5c45a7"]
        }
      }
      profile     = "weberlab_backend-tls-1-2"
      log_success = true
      log_fail    = true
      tag = [
        "policyc",
        "weberlab_pi10",
      ]
      description = "behind-proxy.yaml: backends.pi10, sites.pi10"
    },
  ]
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
    panos_service.policyc,
    panos_decryption_profile.policyc,
  ]
}

resource "panos_security_policy_rules" "policyc" {
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  position = {
    where = "first"
  }
  rules = [
    {
      name                  = "weberlab_192-0-2-10-443"
      source_zones          = ["proxies"]
      destination_zones     = ["dmz"]
      source_addresses      = ["weberlab_host-192-0-2-5"]
      source_users          = ["any"]
      destination_addresses = ["weberlab_host-192-0-2-10"]
      services              = ["weberlab_tcp-443"]
      category              = ["any"]
      applications = [
        "ssl",
        "web-browsing",
      ]
      action  = "allow"
      log_end = true
      tag = [
        "policyc",
        "weberlab_pi10",
      ]
      description = "behind-proxy.yaml: backends.pi10, sites.pi10"
    },
  ]
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
    panos_service.policyc,
    panos_decryption_profile.policyc,
    panos_decryption_policy_rules.policyc,
  ]
}
